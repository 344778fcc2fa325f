// SPDX-License-Identifier: BSL-1.0
// one_step: a process that is traced, one instruction at a time (ptrace): what it does next, and a place it can be let
// run to.
#pragma once

#include <linux/futex.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>

namespace kin_test {

inline bool is_at_a_step(int status) { return WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP; }

#ifdef __x86_64__
inline long place_of(pid_t pid) { return ptrace(PTRACE_PEEKUSER, pid, offsetof(user_regs_struct, rip), nullptr); }
inline long code_at(pid_t pid, long place) { return ptrace(PTRACE_PEEKTEXT, pid, place, nullptr); }

// Whether its next instruction, which is `code`, is the system call by which it would sleep.
inline bool may_sleep_next(pid_t pid, long code) {
  const auto at = [&](std::size_t offset) { return ptrace(PTRACE_PEEKUSER, pid, offset, nullptr); };
  return (code & 0xffff) == 0x050f && at(offsetof(user_regs_struct, rax)) == SYS_futex &&
         (at(offsetof(user_regs_struct, rsi)) & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;
}
inline bool may_repeat(long code) { return (code & 0xfe) == 0xf2; }

// A breakpoint in the stopped process, until it is there.
class breakpoint {
 public:
  breakpoint(pid_t pid, long place) : pid_(pid), place_(place), code_(code_at(pid, place)) {
    ptrace(PTRACE_POKETEXT, pid_, place_, (code_ & ~0xffL) | 0xcc);
  }
  breakpoint(const breakpoint&) = delete;
  breakpoint& operator=(const breakpoint&) = delete;
  ~breakpoint() { ptrace(PTRACE_POKETEXT, pid_, place_, code_); }
  /// False: it stopped elsewhere.
  bool reached() const {
    if (place_of(pid_) != place_ + 1) return false;
    ptrace(PTRACE_POKEUSER, pid_, offsetof(user_regs_struct, rip), place_);
    return true;
  }

 private:
  pid_t pid_;
  long place_, code_;
};
#else
// No places are known: all is stepped, and whatever comes next may be a sleep.
inline long place_of(pid_t) { return 0; }
inline long code_at(pid_t, long) { return 0; }
inline bool may_sleep_next(pid_t, long) { return true; }
inline bool may_repeat(long) { return true; }
class breakpoint {
 public:
  breakpoint(pid_t, long) {}
  bool reached() const { return false; }
};
#endif

// One instruction of the stopped process, which stands at `place`; a repeated one (rep movsb copies a byte a step) as a
// whole. Where it stands then.
inline long one_step(pid_t pid, long place, int& status) {
  ptrace(PTRACE_SINGLESTEP, pid, nullptr, nullptr);
  waitpid(pid, &status, 0);
  const long here = is_at_a_step(status) ? place_of(pid) : 0;
  if (here == 0 || here != place) return here;
  const long code = code_at(pid, here);
  if ((code & 0xff) != 0xf3) return here;
  const long next = here + ((code >> 8 & 0xff) == 0x48 ? 3 : 2);
  const breakpoint behind(pid, next);
  ptrace(PTRACE_CONT, pid, nullptr, nullptr);
  waitpid(pid, &status, 0);
  return is_at_a_step(status) && behind.reached() ? next : 0;
}

}  // namespace kin_test
