// SPDX-License-Identifier: BSL-1.0
// pidfd: waiting for, reaping and signalling a child through its pidfd, so that a recycled pid is never touched.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include <kin/core/deadline.hpp>
#include <kin/os/unique_fd.hpp>

namespace kin::os {

/// A pidfd of a running process. Throws os_error (ESRCH: it has ended).
unique_fd open_pidfd(int pid);

/// True when the process has ended before the deadline.
bool wait_for_end(int pidfd, deadline until);

struct ended_child {
  int code = -1;   ///< exit code, or -1
  int signal = 0;  ///< signal that killed it, or 0
  bool core_dumped = false;
  std::uint64_t peak_memory = 0;  ///< bytes resident at most
  std::chrono::microseconds user_time{}, system_time{};
};

/// Reaps a child that has ended (call it after wait_for_end). Empty when somebody else took its status first: a
/// foreign waitpid(-1), or SIGCHLD being ignored in this program (ECHILD).
std::optional<ended_child> reap(int pidfd);
/// The same, but the child stays to be reaped, and its number its own.
std::optional<ended_child> look_at_end(int pidfd);

/// False when the process has already ended. Throws os_error (EPERM, EINVAL).
bool send_signal(int pidfd, int signal);

}  // namespace kin::os
