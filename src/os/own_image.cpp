// SPDX-License-Identifier: BSL-1.0
// own_image: see the header.
#include "os/own_image.hpp"

#include <fcntl.h>
#include <sched.h>
#include <stdio_ext.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <iostream>
#include <utility>

#if defined(__GLIBCXX__)
#include <ext/stdio_sync_filebuf.h>
#endif

#include <kin/os/duplicate.hpp>

#include "os/gate.hpp"
#include "os/kernel_sigaction.hpp"

namespace kin::os {

namespace {

bool is_stdio([[maybe_unused]] const std::streambuf* buffer) {
#if defined(__GLIBCXX__)
  return dynamic_cast<const __gnu_cxx::stdio_sync_filebuf<char>*>(buffer) != nullptr;
#else
  return false;
#endif
}

// As long as it writes through stdio, which it does unless a program says otherwise, a stream has nothing to flush. To
// ask it anyway costs a copy of this process four page faults.
class output_stream {
 public:
  explicit output_stream(std::ostream& s) : stream_(s) {}
  /// In the process that is about to be copied.
  void look() {
    if (std::exchange(buffer_, stream_.rdbuf()) != stream_.rdbuf()) through_stdio_ = is_stdio(buffer_);
  }
  void flush() {
    if (!through_stdio_ || stream_.rdbuf() != buffer_) stream_.flush();
  }

 private:
  std::ostream& stream_;
  std::streambuf* buffer_ = nullptr;
  bool through_stdio_ = false;
};
output_stream& out() {
  static output_stream stream(std::cout);
  return stream;
}
output_stream& log() {
  static output_stream stream(std::clog);
  return stream;
}

}  // namespace

int fork_process() {
  for (output_stream* s : {&out(), &log()}) {
    s->look();
    s->flush();
  }
  std::fflush(nullptr);
  return static_cast<int>(call("fork", "start a process", [] { return ::fork(); }));
}

namespace {

void set_blocked_signals(const unsigned long& now, unsigned long* before = nullptr) {
  ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &now, before, sizeof now);
}

// By the kernel's own call: glibc's takes five times as long.
void default_signals() {
  const kernel_sigaction default_action{};
  for (int s = 1; s < 65; ++s)
    if (s != SIGKILL && s != SIGSTOP && s != 32 && s != 33)  // the last two are glibc's own
      ::syscall(SYS_rt_sigaction, s, &default_action, nullptr, 8);
  set_blocked_signals(0);
}

// Strings that the copied code may hold by getenv stay where they are.
void replace_environment(const std::vector<std::string>& entries) {
  ::clearenv();
  for (const auto& entry : entries) {
    const auto equals = entry.find('=');
    if (equals != std::string::npos) ::setenv(entry.substr(0, equals).c_str(), entry.c_str() + equals + 1, 1);
  }
}

using refusal = std::optional<refused_change>;

template <class Call>
refusal step(const char* name, const std::string& doing, Call&& call) {
  if (try_call(name, call) != -1) return std::nullopt;
  return refused_change{doing, name, errno};
}

refusal no_stdin() {
  unique_fd null(try_call("open", [] { return ::open("/dev/null", O_RDWR); }));
  if (!null) return refused_change{"open /dev/null", "open", errno};
  // Number 0 may have been free: then it is in its place already, and stays.
  if (null.get() == 0) {
    (void)null.release();
    return std::nullopt;
  }
  auto refused = step("dup2", "redirect stdin", [&] { return ::dup2(null.get(), 0); });
  if (!refused) ::__fpurge(stdin);  // what the parent has read ahead is the parent's
  return refused;
}

refusal redirect(const image_changes& changes) {
  // Sources first, above the targets, or one dup2 would overwrite the source of the next.
  std::vector<unique_fd> sources;
  for (const auto& [to, from] : changes.descriptors) {
    sources.emplace_back(
        try_call("fcntl(F_DUPFD_CLOEXEC)", [from = from] { return ::fcntl(from, F_DUPFD_CLOEXEC, 3); }));
    if (!sources.back()) return refused_change{"prepare a child's file descriptors", "fcntl(F_DUPFD_CLOEXEC)", errno};
  }
  if (auto r = no_stdin()) return r;
  for (std::size_t i = 0; i < sources.size(); ++i)
    if (auto r = step("dup3", "redirect a child's output",
                      [&] { return ::dup2(sources[i].get(), changes.descriptors[i].first); }))
      return r;
  return std::nullopt;
}

refusal enter_directory(const image_changes& changes) {
  if (changes.inherited->directory)
    if (auto r = step("fchdir", "enter the directory of kin::init()",
                      [&] { return ::fchdir(changes.inherited->directory.get()); }))
      return r;
  if (changes.working_directory.empty()) return std::nullopt;
  return step("chdir", "enter the directory " + changes.working_directory,
              [&] { return ::chdir(changes.working_directory.c_str()); });
}

bool can_be(int processor) { return processor >= 0 && processor < CPU_SETSIZE; }

std::optional<std::vector<std::byte>> mask_if_it_can_be(const std::vector<int>& processors) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int p : processors) {
    if (!can_be(p)) return std::nullopt;
    CPU_SET(static_cast<unsigned>(p), &set);
  }
  const auto* bytes = reinterpret_cast<const std::byte*>(&set);
  return std::vector(bytes, bytes + sizeof set);
}

bool has_affinity(const std::vector<std::byte>& mask) {
  std::vector<std::byte> present(mask.size());
  return ::sched_getaffinity(0, present.size(), reinterpret_cast<cpu_set_t*>(present.data())) == 0 && present == mask;
}

bool has_environment(const std::vector<std::string>& entries) {
  std::size_t n = 0;
  for (char** e = environ; e && *e; ++e, ++n)
    if (n == entries.size() || entries[n] != *e) return false;
  return n == entries.size();
}

std::vector<std::pair<int, rlimit>> new_limits(const image_changes& changes) {
  auto wanted = changes.inherited->limits;
  for (const auto& [resource, value] : changes.limits) wanted.at(static_cast<std::size_t>(resource)) = value;
  std::vector<std::pair<int, rlimit>> differing;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    rlimit present{};
    if (::getrlimit(static_cast<__rlimit_resource>(i), &present) != 0 || present.rlim_cur != wanted[i].rlim_cur ||
        present.rlim_max != wanted[i].rlim_max)
      differing.emplace_back(static_cast<int>(i), wanted[i]);
  }
  return differing;
}

}  // namespace

signals_wait::signals_wait() noexcept { set_blocked_signals(~0UL, &before_); }
signals_wait::~signals_wait() { set_blocked_signals(before_); }

image_plan::image_plan(image_changes wanted)
    : wanted_(std::move(wanted)),
      new_environment_(!has_environment(environment())),
      changes_surroundings_(!wanted_.working_directory.empty() || !wanted_.limits.empty() ||
                            !wanted_.affinity.empty() || !wanted_.environment.empty()),
      new_limits_(new_limits(wanted_)),
      new_affinity_(wanted_.affinity.empty() ? wanted_.inherited->affinity : mask_if_it_can_be(wanted_.affinity)) {
  if (new_affinity_ && has_affinity(*new_affinity_)) new_affinity_->clear();
}

bool image_plan::can_be_refused() const noexcept {
  return !wanted_.working_directory.empty() || !wanted_.descriptors.empty() || !new_limits_.empty() ||
         !wanted_.affinity.empty();
}

std::optional<refused_change> image_plan::set_affinity() const {
  if (!new_affinity_) {
    const int first = *std::find_if_not(wanted_.affinity.begin(), wanted_.affinity.end(), &can_be);
    return refused_change{"use processor " + std::to_string(first), "sched_setaffinity", EINVAL};
  }
  if (new_affinity_->empty()) return std::nullopt;
  const auto* mask = reinterpret_cast<const cpu_set_t*>(new_affinity_->data());
  auto r = step("sched_setaffinity", "set a child's affinity",
                [&] { return ::sched_setaffinity(0, new_affinity_->size(), mask); });
  // What was so at init() may have been forbidden since (a cgroup's cpuset): nobody has asked for it.
  return wanted_.affinity.empty() ? std::nullopt : r;
}

std::optional<refused_change> image_plan::apply() const {
  default_signals();
  if (wanted_.own_process_group) ::setpgid(0, 0);
  if (new_environment_) replace_environment(environment());
  ::umask(wanted_.inherited->umask);
  if (auto r = redirect(wanted_)) return r;
  if (auto r = enter_directory(wanted_)) return r;
  if (auto r = set_affinity()) return r;
  for (const auto& [resource, limit] : new_limits_)
    if (auto r = set_limit(resource, limit)) return r;
  return std::nullopt;
}

std::optional<refused_change> image_plan::set_limit(int resource, const rlimit& limit) const {
  const auto which = static_cast<__rlimit_resource>(resource);
  const auto set = [&](const rlimit& to) {
    return step("setrlimit", "set a child's limits", [&] { return ::setrlimit(which, &to); });
  };
  auto refused = set(limit);
  const bool is_asked_for =
      std::any_of(wanted_.limits.begin(), wanted_.limits.end(), [&](const auto& l) { return l.first == resource; });
  rlimit present{};
  if (!refused || is_asked_for || ::getrlimit(which, &present) != 0) return refused;
  // The hard limit has been lowered since init(), and only root could raise it again: then as near as it goes.
  const rlim_t most = std::min(present.rlim_max, limit.rlim_max);
  return set({std::min(limit.rlim_cur, most), most});
}

void on_exit_of_copy(void (*end)(int code)) {
  // Handlers run last registered first (man 3 on_exit), so this comes before those that the parent had registered.
  ::on_exit([](int code, void* f) { reinterpret_cast<void (*)(int)>(f)(code); }, reinterpret_cast<void*>(end));
}

void leave_forked_image(int code) {
  out().flush();
  // Usually nothing waits there; to look is a search for three functions, and as many pages.
  if (!(std::cerr.flags() & std::ios_base::unitbuf)) std::cerr.flush();
  log().flush();
  std::fflush(nullptr);
  ::_exit(code);
}

// O_APPEND in any case: two streams, or two processes, that lead to one file would write over each other's text.
unique_fd open_output(const std::string& path, bool append) {
  const std::string doing = "open " + path + " for a child's output";
  return above_standard(unique_fd(call("open", doing.c_str(), [&] {
    return ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND | (append ? 0 : O_TRUNC), 0666);
  })));
}

}  // namespace kin::os
