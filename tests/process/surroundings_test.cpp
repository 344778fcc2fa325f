// SPDX-License-Identifier: BSL-1.0
// surroundings: what a child gets: from its options, else as it was at init(); and nothing else.
#include <kin/core/error.hpp>
#include <kin/process/process.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>

#include "process/life.hpp"

using namespace kin_test;
namespace fs = std::filesystem;

namespace {

class surroundings : public every_start {};
INSTANTIATE_TEST_SUITE_P(by, surroundings, start_methods, start_name);

struct found {
  std::map<std::string, std::string> environment;
  std::string directory, arguments;
  unsigned umask = 0;
  std::vector<int> descriptors;
  std::map<int, std::string> leads_to;
  std::vector<int> handled, blocked;
  std::uint64_t open_files = 0, core_size = 0, address_space = 0;
  int processors = 0;
  bool first_processor = false;
};

std::string link_of(int fd) {
  std::error_code error;
  return fs::read_symlink("/proc/self/fd/" + std::to_string(fd), error).string();
}

void look_around(kin::connection to) {
  found f;
  for (char** e = environ; *e; ++e) {
    const std::string entry = *e;
    f.environment[entry.substr(0, entry.find('='))] = entry.substr(entry.find('=') + 1);
  }
  f.directory = fs::current_path();
  f.arguments = contents("/proc/self/cmdline");
  ::umask(f.umask = ::umask(0));
  for (int fd = 0; fd < 1000; ++fd)
    if (::fcntl(fd, F_GETFD) >= 0) {
      f.descriptors.push_back(fd);
      f.leads_to[fd] = link_of(fd);
    }
  sigset_t mask;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  for (int s = 1; s < 32; ++s) {
    struct sigaction now {};
    if (::sigaction(s, nullptr, &now) == 0 && now.sa_handler != SIG_DFL) f.handled.push_back(s);
    if (::sigismember(&mask, s)) f.blocked.push_back(s);
  }
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  f.open_files = limit.rlim_cur;
  ::getrlimit(RLIMIT_CORE, &limit);
  f.core_size = limit.rlim_cur;
  ::getrlimit(RLIMIT_AS, &limit);
  f.address_space = limit.rlim_cur;
  cpu_set_t set;
  ::sched_getaffinity(0, sizeof set, &set);
  f.processors = CPU_COUNT(&set);
  f.first_processor = CPU_ISSET(0, &set);
  to.send(f);
}

found look(const kin::process_options& options) {
  auto [a, b] = kin::pipe();
  kin::process child(options, look_around, std::move(b));
  return a.recv<found>();
}

TEST_P(surroundings, are_those_of_init) {
  temporary_folder elsewhere;
  const fs::path here = fs::current_path();
  const mode_t mask = ::umask(022);
  ::umask(mask);
  rlimit before{}, lower{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  lower = before;
  lower.rlim_cur = 300;

  ::setenv("KIN_TEST_LATER", "yes", 1);
  fs::current_path(elsewhere.path);
  ::umask(0077);
  ::setrlimit(RLIMIT_NOFILE, &lower);
  cpu_set_t all, one;
  ::sched_getaffinity(0, sizeof all, &all);
  CPU_ZERO(&one);
  for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++i)
    if (CPU_ISSET(i, &all)) CPU_SET(i, &one);
  ::sched_setaffinity(0, sizeof one, &one);
  const found f = look(with());
  ::sched_setaffinity(0, sizeof all, &all);
  ::setrlimit(RLIMIT_NOFILE, &before);
  ::umask(mask);
  fs::current_path(here);
  ::unsetenv("KIN_TEST_LATER");

  EXPECT_FALSE(f.environment.contains("KIN_TEST_LATER"));
  EXPECT_FALSE(f.environment.contains("KIN_CHILD"));
  EXPECT_EQ(f.environment.at("PATH"), std::getenv("PATH"));
  EXPECT_EQ(f.directory, here);
  EXPECT_EQ(f.umask, mask);
  EXPECT_EQ(f.open_files, before.rlim_cur);
  EXPECT_EQ(f.processors, CPU_COUNT(&all));
  EXPECT_EQ(f.arguments, contents("/proc/self/cmdline"));
}

TEST_P(surroundings, are_those_of_the_options) {
  temporary_folder folder;
  kin::process_options options = with({.environment = {{"KIN_TEST_OWN", "a=b"}, {"PATH", "/nowhere"}},
                                       .working_directory = folder.path,
                                       .affinity = {0},
                                       .limits = {.open_files = 123, .core_size = 0}});
  const found f = look(options);
  EXPECT_EQ(f.environment.at("KIN_TEST_OWN"), "a=b");
  EXPECT_EQ(f.environment.at("PATH"), "/nowhere");
  EXPECT_EQ(f.directory, fs::canonical(folder.path));
  EXPECT_EQ(f.open_files, 123u);
  EXPECT_EQ(f.core_size, 0u);
  EXPECT_EQ(f.processors, 1);
  EXPECT_TRUE(f.first_processor);
}

void look_deeper(kin::connection to) { kin::process(look_around, std::move(to)).join(); }

TEST_P(surroundings, of_the_options_are_what_a_childs_own_children_get) {
  const temporary_folder folder;
  auto [a, b] = kin::pipe();
  const kin::process_options options =
      with({.environment = {{"KIN_TEST_OWN", "a=b"}}, .working_directory = folder.path, .limits = {.open_files = 123}});
  kin::process child(options, look_deeper, std::move(b));
  const found f = a.recv<found>();
  EXPECT_EQ(f.environment.at("KIN_TEST_OWN"), "a=b");
  EXPECT_EQ(f.directory, fs::canonical(folder.path));
  EXPECT_EQ(f.open_files, 123u);
}

TEST_P(surroundings, hold_nothing_on_stdin_and_default_signals) {
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGUSR1, SIG_IGN);
  ::signal(SIGUSR2, [](int) {});
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const found f = look(with());
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  for (const int s : {SIGINT, SIGUSR1, SIGUSR2}) ::signal(s, SIG_DFL);
  EXPECT_EQ(f.leads_to.at(0), "/dev/null");
  EXPECT_EQ(f.leads_to.at(1), link_of(1));
  EXPECT_EQ(f.leads_to.at(2), link_of(2));
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
  EXPECT_EQ(f.handled, std::vector<int>{});
#endif
  EXPECT_EQ(f.blocked, std::vector<int>{});
}

// Without the right to raise it again.
TEST_P(surroundings, have_a_hard_limit_that_was_lowered_since_init) {
  kin::process lowered(kin::start::fork, [&] {
    __user_cap_header_struct whose{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct nothing[2]{};
    const rlimit lower{1U << 30, 1U << 30};
    if (::syscall(SYS_capset, &whose, nothing) != 0 || ::setrlimit(RLIMIT_FSIZE, &lower) != 0) ::_exit(1);
    kin::process child(with(), [] {
      rlimit limit{};
      ::getrlimit(RLIMIT_FSIZE, &limit);
      ::_exit(limit.rlim_cur == 1U << 30 && limit.rlim_max == 1U << 30 ? 42 : 3);
    });
    child.join();
    ::_exit(child.exitcode().value_or(2));
  });
  lowered.join();
  EXPECT_EQ(lowered.exitcode(), 42);
}

TEST_P(surroundings, hold_none_of_the_parents_descriptors) {
  if (GetParam() == kin::start::fork) GTEST_SKIP() << "a copy has all of them";
  std::vector<kin::unique_fd> inheritable;
  for (int i = 0; i < 100; ++i) inheritable.emplace_back(::open("/proc/version", O_RDONLY));
  const found f = look(with());
  for (const auto& [fd, where] : f.leads_to) EXPECT_NE(where, "/proc/version") << fd;
  EXPECT_LT(f.descriptors.size(), 14u);
}

int global = 1;
bool constructed_again = [] { return ::getenv("KIN_CHILD") != nullptr; }();

TEST(surroundings_spawned, hold_initial_globals_and_static_objects_made_anew) {
  global = 2;
  kin::process child([] { std::exit(global == 1 && constructed_again ? 0 : 1); });
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
  kin::process copy(kin::start::fork, [] { std::exit(global == 2 && !constructed_again ? 0 : 1); });
  copy.join();
  EXPECT_EQ(copy.exitcode(), 0);
  global = 1;
}

void print_both() {
  (void)!::write(1, "out", 3);
  (void)!::write(2, "err", 3);
}

TEST_P(surroundings, redirect_to_files_null_and_descriptors) {
  temporary_folder folder;
  const auto out = folder.path / "out", err = folder.path / "err", both = folder.path / "both";
  std::ofstream(out) << "longer than what comes";
  std::ofstream(err) << "kept ";
  {
    kin::process child(with({.out = kin::redirect::to(out), .err = kin::redirect::append_to(err)}), print_both);
    child.join();
    EXPECT_EQ(child.exitcode(), 0);
  }
  EXPECT_EQ(contents(out), "out");
  EXPECT_EQ(contents(err), "kept err");
  {
    const kin::unique_fd file(::open(both.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    kin::process child(with({.out = kin::redirect::to(file.get()), .err = kin::redirect::to(file.get())}), print_both);
    kin::process silent(with({.out = kin::redirect::null(), .err = kin::redirect::null()}), print_both);
    child.join();
  }
  EXPECT_EQ(contents(both), "outerr");
}

TEST_P(surroundings, may_lead_both_streams_to_one_file_by_its_name) {
  const temporary_folder folder;
  const auto file = folder.path / "both";
  std::ofstream(file) << "what was there before";
  kin::process(with({.out = kin::redirect::to(file), .err = kin::redirect::to(file)}), print_both).join();
  EXPECT_EQ(contents(file), "outerr");
  kin::process(with({.out = kin::redirect::append_to(file), .err = kin::redirect::append_to(file)}), print_both).join();
  EXPECT_EQ(contents(file), "outerrouterr");
}

// Between SIGXCPU, which says why, and SIGKILL is a second.
TEST_P(surroundings, limit_the_cpu_time_with_a_signal_that_says_so) {
  kin::process child(with({.limits = {.cpu = 7s}}), [] {
    rlimit limit{};
    ::getrlimit(RLIMIT_CPU, &limit);
    std::exit(static_cast<int>(limit.rlim_cur * 10 + limit.rlim_max));
  });
  child.join();
  EXPECT_EQ(child.exitcode(), 78);
  EXPECT_THROW(kin::process(with({.limits = {.cpu = -1s}}), [] {}), kin::os_error);
}

TEST_P(surroundings, of_an_environment_that_cannot_be_are_refused_by_name) {
  const auto refusal = [](const std::string& name, const std::string& value) -> std::string {
    try {
      kin::process(with({.environment = {{name, value}}}), [] {}).join();
      return "none";
    } catch (const kin::start_error& e) {
      return e.what();
    }
  };
  using namespace std::string_literals;
  EXPECT_NE(refusal("NAME", "a\0b"s).find("value of NAME has a null character"), std::string::npos);
  EXPECT_NE(refusal("NA\0ME"s, "").find("\"NA\" is no name"), std::string::npos);
  EXPECT_NE(refusal("NA=ME", "").find("\"NA=ME\" is no name"), std::string::npos);
}

TEST_P(surroundings, of_a_path_with_a_null_character_are_refused) {
  using namespace std::string_literals;
  const std::filesystem::path cut("/tmp\0/x"s);
  EXPECT_THROW(kin::process(with({.working_directory = cut}), [] {}).join(), kin::start_error);
  EXPECT_THROW(kin::process(with({.out = kin::redirect::to(cut)}), [] {}).join(), kin::start_error);
}

TEST(surroundings_forked, have_nothing_of_what_was_read_ahead_from_stdin) {
  kin::process reader([] {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0 || ::write(ends[1], "first\nsecond\n", 13) != 13) std::exit(9);
    ::dup2(ends[0], 0);
    std::string line;
    if (!std::getline(std::cin, line) || line != "first") std::exit(8);
    kin::process copy(kin::start::fork, [] { std::exit(std::getchar() == EOF ? 0 : 1); });
    copy.join();
    const bool own_is_there = std::getline(std::cin, line) && line == "second";
    std::exit(own_is_there ? copy.exitcode().value_or(7) : 6);
  });
  reader.join();
  EXPECT_EQ(reader.exitcode(), 0);
}

TEST_P(surroundings, may_exchange_stdout_and_stderr) {
  temporary_folder folder;
  kin::process outer(kin::start::fork, [&] {
    const int out = ::open((folder.path / "1").c_str(), O_WRONLY | O_CREAT, 0600);
    const int err = ::open((folder.path / "2").c_str(), O_WRONLY | O_CREAT, 0600);
    ::dup2(out, 1);
    ::dup2(err, 2);
    kin::process(with({.out = kin::redirect::to(2), .err = kin::redirect::to(1)}), print_both).join();
  });
  outer.join();
  EXPECT_EQ(contents(folder.path / "1"), "err");
  EXPECT_EQ(contents(folder.path / "2"), "out");
}

TEST_P(surroundings, that_cannot_be_had_are_an_error_and_no_process) {
  const auto nothing = [] {};
  EXPECT_THROW(kin::process(with({.working_directory = "/no/such/place"}), nothing), kin::os_error);
  EXPECT_THROW(kin::process(with({.out = kin::redirect::to(fs::path("/no/such/file"))}), nothing), kin::os_error);
  EXPECT_THROW(kin::process(with({.out = kin::redirect::to(987)}), nothing), kin::os_error);
  EXPECT_THROW(kin::process(with({.err = kin::redirect::to(-1)}), nothing), kin::os_error);
  EXPECT_THROW(kin::process(with({.affinity = {-1}}), nothing), kin::os_error);
  EXPECT_THROW(kin::process(with({.affinity = {1000}}), nothing), kin::os_error);
  EXPECT_THROW(kin::process(with({.environment = {{"a=b", "c"}}}), nothing), kin::start_error);
  EXPECT_THROW(kin::process(with({.environment = {{"", "c"}}}), nothing), kin::start_error);
  for (const char* own : {"KIN_CHILD", "KIN_LIBRARY"})
    EXPECT_THROW(kin::process(with({.environment = {{own, "3:1:0"}}}), nothing), kin::start_error) << own;
  try {
    kin::process child(with({.working_directory = "/no/such/place"}), nothing);
  } catch (const kin::os_error& e) {
    EXPECT_EQ(e.code().value(), ENOENT);
    EXPECT_NE(std::string(e.what()).find("/no/such/place"), std::string::npos) << e.what();
  }
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
void take_bytes(const std::vector<std::uint64_t>& v) {
  std::exit(v.size() == (64u << 20) / 8 && v.front() == 7 && v.back() == 7 ? 0 : 1);
}

TEST(surroundings_spawned, too_tight_to_begin_in_end_the_child_and_never_hang) {
  const std::vector<std::uint64_t> big((64 << 20) / 8, 7);
  for (const std::uint64_t memory : {std::uint64_t{1} << 20, std::uint64_t{12} << 20, std::uint64_t{40} << 20}) {
    kin::process child({.err = kin::redirect::null(), .limits = {.memory = memory}}, take_bytes, big);
    child.join();
    EXPECT_NE(child.exitcode(), 0);
  }
  kin::process few({.err = kin::redirect::null(), .limits = {.open_files = 3}}, take_bytes, big);
  few.join();
  EXPECT_NE(few.exitcode(), 0);
}

TEST_P(surroundings, carry_an_argument_of_64_mebibytes) {
  kin::process child(with(), take_bytes, std::vector<std::uint64_t>((64 << 20) / 8, 7));
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}
#endif

TEST(surroundings_forked, work_with_closed_standard_descriptors) {
  for (const auto method : {kin::start_method(kin::start::spawn), kin::start_method(kin::start::fork)})
    for (int closed = 1; closed < 8; ++closed) {
      kin::process outer(kin::start::fork, [&] {
        for (int fd = 0; fd < 3; ++fd)
          if (closed & (1 << fd)) ::close(fd);
        auto [a, b] = kin::pipe();
        if (a.native_handle() < 3 || b.native_handle() < 3) std::exit(2);
        kin::process child(
            {.start = method}, [](kin::connection to) { to.send(link_of(0)); }, std::move(b));
        if (child.native_handle() < 3) std::exit(3);
        if (a.recv<std::string>() != "/dev/null") std::exit(4);
        child.join();
        std::exit(child.exitcode() == 0 ? 0 : 5);
      });
      outer.join();
      EXPECT_EQ(outer.exitcode(), 0) << "closed: " << closed << " by " << method.name();
    }
}

}  // namespace
