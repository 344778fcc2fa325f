// SPDX-License-Identifier: BSL-1.0
// System calls that fail, as in a sandbox, or that kill their caller: a seccomp filter.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include <cstddef>
#include <cstdint>

namespace kin_test {

/// Which of its calls: those where (argument & mask) == value. All, as it stands.
struct refused_calls {
  unsigned argument = 0;
  std::uint32_t mask = 0, value = 0;
};

/// From now on `action` (SECCOMP_RET_…) is what becomes of such calls of `number` in this thread, and in all threads
/// and processes that come of it. False, and errno: no filter could be set.
[[nodiscard]] inline bool set_filter(long number, refused_calls which, std::uint32_t action) {
  // The lower half of the argument, in little-endian machines.
  const auto offset = static_cast<std::uint32_t>(offsetof(seccomp_data, args) + 8 * which.argument);
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, which.mask),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, which.value, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, action),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{sizeof program / sizeof program[0], program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/// They fail with `error`.
[[nodiscard]] inline bool refuse(long number, int error, refused_calls which = {}) {
  return set_filter(number, which, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error));
}
/// The process dies there, before the kernel has done anything.
[[nodiscard]] inline bool die_at(long number, refused_calls which = {}) {
  return set_filter(number, which, SECCOMP_RET_KILL_PROCESS);
}

}  // namespace kin_test
