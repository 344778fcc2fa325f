// SPDX-License-Identifier: BSL-1.0
// support: what the benchmark programs share: bare processes to measure against, and main().
#pragma once

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <kin/init.hpp>

extern char** environ;

namespace bench {

[[noreturn]] inline void die(const char* what) {
  std::perror(what);
  std::_Exit(1);
}

/// A child made by fork that runs f and leaves.
template <class F>
pid_t forked(F f) {
  const pid_t pid = ::fork();
  if (pid < 0) die("fork");
  if (pid == 0) {
    f();
    std::_Exit(0);
  }
  return pid;
}
inline void join(pid_t pid) {
  if (::waitpid(pid, nullptr, 0) != pid) die("waitpid");
}

/// This program again, leaving before main() has done anything: the floor of any start by re-exec.
inline constexpr const char* leave_at_once = "KIN_BENCH_LEAVE_AT_ONCE";
inline pid_t spawned_self() {
  char name[] = "bench";
  char* arguments[] = {name, nullptr};
  char mark[] = "KIN_BENCH_LEAVE_AT_ONCE=1";
  char* environment[] = {mark, nullptr};
  pid_t pid = -1;
  if (::posix_spawn(&pid, "/proc/self/exe", nullptr, nullptr, arguments, environment) != 0) die("posix_spawn");
  return pid;
}

inline void read_all(int fd, void* to, std::size_t n) {
  for (auto* p = static_cast<char*>(to); n > 0;) {
    const ssize_t k = ::read(fd, p, n);
    if (k <= 0) std::_Exit(0);
    p += k;
    n -= static_cast<std::size_t>(k);
  }
}
inline void write_all(int fd, const void* from, std::size_t n) {
  for (const auto* p = static_cast<const char*>(from); n > 0;) {
    const ssize_t k = ::write(fd, p, n);
    if (k <= 0) std::_Exit(0);
    p += k;
    n -= static_cast<std::size_t>(k);
  }
}

/// Two pipes and a process that sends back every 8 bytes: the raw round trip.
class raw_echo {
 public:
  raw_echo() {
    if (::pipe2(there_, O_CLOEXEC) != 0 || ::pipe2(back_, O_CLOEXEC) != 0) die("pipe2");
    child_ = forked([this] {
      ::close(there_[1]);
      for (long word = 0;;) {
        read_all(there_[0], &word, sizeof word);
        write_all(back_[1], &word, sizeof word);
      }
    });
    ::close(there_[0]);
    ::close(back_[1]);
  }
  raw_echo(const raw_echo&) = delete;
  raw_echo& operator=(const raw_echo&) = delete;
  ~raw_echo() {
    ::close(there_[1]);
    ::close(back_[0]);
    join(child_);
  }
  long round_trip(long word) {
    write_all(there_[1], &word, sizeof word);
    read_all(back_[0], &word, sizeof word);
    return word;
  }

 private:
  int there_[2]{}, back_[2]{};
  pid_t child_ = -1;
};

/// What every program's main() does: children begin in kin::init().
inline int run(int argc, char** argv) {
  if (std::getenv(leave_at_once)) return 0;
  kin::init();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace bench

#define KIN_BENCH_MAIN() \
  int main(int argc, char** argv) { return bench::run(argc, argv); }
