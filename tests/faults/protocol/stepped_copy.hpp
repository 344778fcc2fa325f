// SPDX-License-Identifier: BSL-1.0
// stepped_copy: a copy of a protocol's process that is stopped after any number of its instructions (ptrace), goes on,
// sleeps, ends or is killed; and how a protocol says that something does not hold.
#pragma once

#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <functional>
#include <string>
#include <utility>

namespace kin_test {

/// The sentence is for whoever has started this program; it ends with status 1, and its copies with it.
[[noreturn]] inline void violated(const std::string& what) {
  std::printf("violated: %s\n", what.c_str());
  std::fflush(stdout);
  std::_Exit(1);
}

using ticks = std::chrono::steady_clock;
/// For what takes microseconds; the machine may be busy.
inline constexpr std::chrono::seconds patience{20};

class stepped_copy {
 public:
  enum how { free, traced };
  /// Runs `body`, whose result is its status; traced: stopped before it. On one processor of its own, where a copy that
  /// finds the other side's last trace does not spin.
  explicit stepped_copy(const std::function<int()>& body, how it_runs = free) : stepped_copy([] {}, body, it_runs) {}
  /// `before` is not stepped.
  stepped_copy(const std::function<void()>& before, const std::function<int()>& body, how it_runs)
      : pid_(::fork()), traced_(it_runs == traced) {
    if (pid_ == 0) run(before, body);
    while (traced_ && ::waitpid(pid_, nullptr, 0) != pid_) {
    }
  }
  stepped_copy(const stepped_copy&) = delete;
  stepped_copy& operator=(const stepped_copy&) = delete;
  ~stepped_copy() { kill(); }

  void kill() {
    if (!over_) ::kill(pid_, SIGKILL);
    while (!over_) wait(0);
  }

  enum class outcome { stepped, asleep, ended };
  /// Called by a copy: what is to be stepped ends here, though its body goes on.
  static void mark() { ::raise(SIGUSR1); }
  /// One instruction on. `asleep`: it is in a system call, and the step is over when somebody has woken it.
  outcome step() {
    if (over_ || at_mark_) return outcome::ended;
    const bool goes_on = std::exchange(going_, true);
    if (!goes_on) ::ptrace(PTRACE_SINGLESTEP, pid_, nullptr, nullptr);
    interrupt_waits_now_and_then();
    while (!wait(goes_on ? WNOHANG : 0))
      if (goes_on || is_asleep()) return outcome::asleep;
    return over_ || at_mark_ ? outcome::ended : outcome::stepped;
  }
  /// So many instructions on. False: it ended or fell asleep before that; `made`, where it is told, says after how
  /// many.
  bool steps(long n, long* made = nullptr) {
    long done = 0;
    outcome last = outcome::stepped;
    while (done < n && (last = step()) == outcome::stepped) ++done;
    if (made != nullptr) *made = done;
    return last == outcome::stepped;
  }
  void go_on() {
    if (!traced_ || over_) return;
    traced_ = false;
    if (!going_) ::ptrace(PTRACE_DETACH, pid_, nullptr, nullptr);  // else finishes() does it
  }
  /// On, until it is stopped by this signal of its own. False: it sleeps for too long, or has ended.
  bool run_to_a_stop(int signal) {
    if (!going_ && !over_) ::ptrace(PTRACE_CONT, pid_, nullptr, nullptr);
    going_ = true;
    for (const auto end = ticks::now() + patience; ticks::now() < end && !over_; ::usleep(50)) {
      if (!wait(WNOHANG)) continue;
      if (!over_ && WSTOPSIG(status_) == signal) return true;
      ::ptrace(PTRACE_CONT, pid_, nullptr, nullptr);
      going_ = true;
    }
    return false;
  }

  /// In the kernel, and not for a moment.
  [[nodiscard]] bool is_asleep() const {
    std::ifstream stat("/proc/" + std::to_string(pid_) + "/stat");
    std::string text;
    std::getline(stat, text);
    const auto name_end = text.rfind(')');
    return name_end != std::string::npos && text[name_end + 2] == 'S';
  }
  void wait_until_asleep() {
    for (const auto end = ticks::now() + patience; !is_asleep(); ::usleep(50)) {
      if (wait_going()) violated("it does not go to sleep");
      if (ticks::now() > end) violated("it does not go to sleep");
    }
  }
  /// False: it has slept for so long that nobody can be about to wake it.
  [[nodiscard]] bool finishes() {
    int asleep = 0;
    for (const auto end = ticks::now() + patience; ticks::now() < end && asleep < 400;
         ::usleep(asleep != 0 ? 1000 : 50)) {
      if (wait_going()) return true;
      asleep = is_asleep() ? asleep + 1 : 0;
    }
    return false;
  }
  /// What it has ended with, once it finishes; 256 and more: by a signal.
  [[nodiscard]] int status() const { return WIFEXITED(status_) ? WEXITSTATUS(status_) : 256 + WTERMSIG(status_); }
  [[nodiscard]] bool is_over() { return over_ || (!traced_ && wait_going()); }

 private:
  [[noreturn]] void run(const std::function<void()>& before, const std::function<int()>& body) const {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    int status = 255;
    try {
      before();
      ::signal(SIGUSR1, SIG_IGN);  // where nobody steps it
      if (traced_) ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr), ::raise(SIGSTOP);
      status = body();
    } catch (const std::exception& e) {
      std::printf("  in a copy: %s\n", e.what());
      std::fflush(stdout);
    }
    std::_Exit(status);
  }
  // So that whoever waits for a step to be over can look whether it sleeps.
  static void interrupt_waits_now_and_then() {
    static const bool begun = [] {
      struct sigaction nothing {};
      nothing.sa_handler = [](int) {};
      ::sigaction(SIGALRM, &nothing, nullptr);
      const itimerval often{{0, 2000}, {0, 2000}};
      return ::setitimer(ITIMER_REAL, &often, nullptr) == 0;
    }();
    (void)begun;
  }
  // True: it has stopped or ended.
  bool wait(int flags) {
    if (over_) return true;
    if (::waitpid(pid_, &status_, flags) != pid_) return false;
    going_ = false;
    over_ = !WIFSTOPPED(status_);
    at_mark_ = !over_ && WSTOPSIG(status_) == SIGUSR1;
    return true;
  }
  // True: it has ended. One that was left in the middle of a step stops at the end of it.
  bool wait_going() {
    if (!over_ && wait(WNOHANG) && !over_) ::ptrace(PTRACE_DETACH, pid_, nullptr, nullptr);
    return over_;
  }

  pid_t pid_;
  bool traced_, going_ = false, over_ = false, at_mark_ = false;
  int status_ = 0;
};

}  // namespace kin_test
