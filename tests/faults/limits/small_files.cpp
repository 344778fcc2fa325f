// SPDX-License-Identifier: BSL-1.0
// small_files: one noun under RLIMIT_FSIZE, for file_size_limit_test. Run as `small_files NOUN PLACE LIMIT…`, where
// PLACE is what the process under the limit is in its family, and limits are in KiB. For each limit a copy makes the
// noun under the limit and uses it, and another uses one that was there before. Each time os_error is an answer; with
// the limit raised again everything must work. SIGXFSZ keeps its default, which kills.
#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <optional>
#include <string_view>
#include <vector>

#include <kin/kin.hpp>

#include "faults/limits/limited_nouns.hpp"

namespace {

using kin_test::failed_as_it_should;

int limited = 0;  // whose limit it is; 0: of this process

void limit_files(rlim_t bytes) {
  const rlimit to{bytes, RLIM_INFINITY};
  if (::prlimit(limited, RLIMIT_FSIZE, &to, nullptr) != 0) std::abort();
}

// A copy of this process, which an alarm ends should it hang. 0: `body` was true.
template <class Body>
int in_a_copy(Body body) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::alarm(60);
    try {
      std::exit(body() ? 0 : 1);
    } catch (const std::exception& e) {
      std::fprintf(stderr, "%s\n", e.what());
    }
    std::exit(2);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

template <class Noun>
bool works(Noun& noun, const char* when) {
  if (noun.use()) return true;
  std::fprintf(stderr, "wrong values %s\n", when);
  return false;
}

template <class Noun>
bool makes_one(rlim_t limit) {
  limit_files(limit);
  std::optional<Noun> made;
  const bool failed = failed_as_it_should([&] { made.emplace(); }) || failed_as_it_should([&] { (void)made->use(); });
  if (!failed && limit == 0 && limited == 0 && Noun::needs_memory) {
    std::fprintf(stderr, "no error without memory\n");
    return false;
  }
  limit_files(RLIM_INFINITY);
  if (!made) made.emplace();
  return works(*made, "after the limit");
}

template <class Noun>
bool goes_on_with_one(rlim_t limit) {
  Noun noun;
  if (!works(noun, "before the limit")) return false;
  limit_files(limit);
  for (int i = 0; i < 2; ++i) failed_as_it_should([&] { (void)noun.use(); });
  limit_files(RLIM_INFINITY);
  return works(noun, "after the limit");
}

enum class place { root_to_be, root, member, member_of_limited_root };

/// Runs `body` in a copy of this process that is in that place.
template <class Body>
int in_place(place where, Body body) {
  if (where == place::root_to_be) return in_a_copy(body);
  return in_a_copy([&] {
    const kin::event makes_the_family;
    if (where == place::root) return body();
    const int root = ::getpid();
    return in_a_copy([&] {
             if (where == place::member_of_limited_root) limited = root;
             return body();
           }) == 0;
  });
}

template <class Noun>
int run(place where, const std::vector<rlim_t>& limits) {
  int failures = 0;
  const auto report = [&](int code, const char* what, rlim_t limit) {
    if (code == 0) return;
    std::fprintf(stderr, "%s under a limit of %zu: %d\n", what, static_cast<std::size_t>(limit), code);
    ++failures;
  };
  for (const rlim_t limit : limits) {
    report(in_place(where, [&] { return makes_one<Noun>(limit); }), "made", limit);
    report(in_place(where, [&] { return goes_on_with_one<Noun>(limit); }), "used", limit);
  }
  return failures;
}

template <class... Nouns>
int run_named(std::string_view name, place where, const std::vector<rlim_t>& limits, kin_test::list_of<Nouns...>) {
  int failures = -1;
  (void)((Nouns::name == name && (failures = run<Nouns>(where, limits), true)) || ...);
  return failures;
}

}  // namespace

int main(int argc, char** argv) {
  kin::init();
  constexpr std::string_view places[] = {"root_to_be", "root", "member", "member_of_limited_root"};
  const auto* const which = argc < 4 ? std::end(places) : std::find(std::begin(places), std::end(places), argv[2]);
  if (which == std::end(places)) return 3;
  std::vector<rlim_t> limits;
  for (int i = 3; i < argc; ++i) limits.push_back(std::strtoull(argv[i], nullptr, 10) << 10);
  ::signal(SIGXFSZ, SIG_DFL);
  return run_named(argv[1], static_cast<place>(which - std::begin(places)), limits, kin_test::all_limited{});
}
