// SPDX-License-Identifier: BSL-1.0
// stepped: a copy of the test that goes so many instructions into an operation, and is killed there (ptrace); and two
// of them that go in turn.
#pragma once

#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <random>
#include <string>
#include <utility>

#include "sync/forked.hpp"

namespace kin_test {

// One instruction of the stopped process; a repeated one (rep movsb copies a byte a step) as a whole.
inline void one_step(pid_t pid, int& status) {
  ptrace(PTRACE_SINGLESTEP, pid, nullptr, nullptr);
  waitpid(pid, &status, 0);
#ifdef __x86_64__
  const auto rip = [&] { return ptrace(PTRACE_PEEKUSER, pid, offsetof(user_regs_struct, rip), nullptr); };
  static long before = 0;
  const long here = WIFSTOPPED(status) ? rip() : 0;
  if (here == 0 || std::exchange(before, here) != here) return;
  const long code = ptrace(PTRACE_PEEKTEXT, pid, here, nullptr);
  if ((code & 0xff) != 0xf3) return;
  const long next = here + ((code >> 8 & 0xff) == 0x48 ? 3 : 2);
  const long after = ptrace(PTRACE_PEEKTEXT, pid, next, nullptr);
  ptrace(PTRACE_POKETEXT, pid, next, (after & ~0xffL) | 0xcc);
  ptrace(PTRACE_CONT, pid, nullptr, nullptr);
  waitpid(pid, &status, 0);
  ptrace(PTRACE_POKETEXT, pid, next, after);
  user_regs_struct registers{};
  ptrace(PTRACE_GETREGS, pid, nullptr, &registers);
  registers.rip = static_cast<unsigned long long>(next);
  ptrace(PTRACE_SETREGS, pid, nullptr, &registers);
#endif
}

/// The name of a test with a scenario as its parameter.
inline constexpr auto scenario_name = [](const auto& of) {
  std::string name = of.param.name;
  std::erase(name, ',');
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
};

class stepped {
 public:
  /// Runs `prepare` in the copy and stops it before `operation`.
  template <class Prepare, class Operation>
  stepped(Prepare prepare, Operation operation) : pid_(fork()) {
    int status = 0;
    if (pid_ != 0) {
      waitpid(pid_, &status, 0);
      return;
    }
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    prepare();
    raise(SIGSTOP);
    operation();
    raise(SIGUSR1);
    _exit(0);
  }
  stepped(const stepped&) = delete;
  stepped& operator=(const stepped&) = delete;
  ~stepped() { die(); }
  /// False: it got to the end, after `made` instructions.
  bool step_and_die(long steps, long& made) {
    int status = 0;
    bool inside = true;
    for (made = 0; made < steps && inside; ++made) {
      one_step(pid_, status);
      inside = WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP;
    }
    die();
    return inside;
  }

  /// One instruction on. `asleep`: it is in a futex, and the step is over when somebody has woken it.
  enum class outcome { stepped, asleep, ended };
  outcome step() {
    if (pid_ < 0) return outcome::ended;
    if (!going_) ptrace(PTRACE_SINGLESTEP, pid_, nullptr, nullptr);
    going_ = true;
    for (int looks = 0;; ++looks) {
      int status = 0;
      if (waitpid(pid_, &status, WNOHANG) == pid_) {
        going_ = false;
        if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP) return outcome::stepped;
        if (!WIFSTOPPED(status)) pid_ = -1;
        die();
        return outcome::ended;
      }
      if (looks < 300) continue;
      if (forked::is_asleep(pid_)) return outcome::asleep;
      usleep(20);
    }
  }
  void die() {
    if (pid_ < 0) return;
    kill(pid_, SIGKILL);
    waitpid(std::exchange(pid_, -1), nullptr, 0);
  }

 private:
  int pid_;
  bool going_ = false;
};

/// Both go in turn, a few instructions each, as `random` says, until they have ended. The first dies after so many of
/// its own; 0: it does not. False: whoever is left sleeps, and nobody wakes it.
inline bool alternate(stepped& first, stepped& second, std::mt19937_64& random, long die_after) {
  const std::array<stepped*, 2> two{&first, &second};
  std::array<bool, 2> ended{};
  auto limit = std::chrono::steady_clock::now();
  const auto moved = [&] { limit = std::chrono::steady_clock::now() + std::chrono::seconds(30); };
  moved();
  for (long of_first = 0; !ended[0] || !ended[1];) {
    std::size_t who = random() % 2;
    if (ended[who]) who = 1 - who;
    auto how = stepped::outcome::stepped;
    for (auto burst = 1 + random() % (random() % 8 == 0 ? 200 : 20); burst > 0; --burst) {
      how = two[who]->step();
      if (who == 0 && ++of_first == die_after) {
        first.die();
        how = stepped::outcome::ended;
      }
      if (how != stepped::outcome::stepped) break;
    }
    if (how != stepped::outcome::asleep) moved();
    if (how == stepped::outcome::ended) ended[who] = true;
    if (std::chrono::steady_clock::now() > limit) return false;
  }
  return true;
}

}  // namespace kin_test
