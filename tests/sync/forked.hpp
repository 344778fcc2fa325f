// SPDX-License-Identifier: BSL-1.0
// forked: a copy of the test that runs a function and is killed or waited for. Made by the user's own fork(), so each
// test here is also one of forks that kin did not make.
#pragma once

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <utility>

namespace kin_test {

/// How long something is waited for that takes microseconds, on a machine that is busy. Less where it is known not to
/// come (tests/faults).
inline std::chrono::milliseconds patience() {
  static const char* text = std::getenv("KIN_TEST_PATIENCE");
  return std::chrono::milliseconds(text ? std::atol(text) : 20'000);
}

class forked {
 public:
  explicit forked(const std::function<void()>& body) : pid_(::fork()) {
    if (pid_ != 0) return;
    try {
      body();
      ::_exit(0);
    } catch (const std::exception& e) {
      std::fprintf(stderr, "in a forked process: %s\n", e.what());
    }
    ::_exit(1);
  }
  forked(forked&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  forked& operator=(forked&& other) noexcept {
    kill();
    pid_ = std::exchange(other.pid_, -1);
    return *this;
  }
  ~forked() { kill(); }

  [[nodiscard]] int pid() const { return pid_; }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(std::exchange(pid_, -1), nullptr, 0);
  }
  /// Its exit code, or -signal.
  int join() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  void wait_until_asleep() const { kin_test::forked::wait_until_asleep(pid_); }
  /// Asleep in a futex, and not, say, on the way into the family. Returns for one that has ended, too.
  static void wait_until_asleep(int pid) {
    while (!is_asleep(pid)) ::usleep(100);
  }
  static bool is_asleep(int pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/syscall");
    std::string call;
    return !(file >> call) || call == std::to_string(SYS_futex);
  }

 private:
  int pid_;
};

}  // namespace kin_test
