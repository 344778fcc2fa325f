// SPDX-License-Identifier: BSL-1.0
// exit_status: how a process ended and what it had used.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <kin/core/export.hpp>

namespace kin {

struct KIN_EXPORT exit_status {
  int code = -1;   ///< exit code, or -1 when a signal ended it
  int signal = 0;  ///< the signal that ended it, or 0
  bool core_dumped = false;
  /// False when somebody else took the status (a foreign waitpid(-1), SIGCHLD ignored) and the child left no word.
  bool known = true;
  /// Most bytes resident at once; 0 when not known (a spawned process that was killed, and used less than its parent).
  std::uint64_t peak_memory = 0;
  std::chrono::microseconds user_time{};    ///< CPU time in the program
  std::chrono::microseconds system_time{};  ///< CPU time in the kernel on its behalf

  [[nodiscard]] bool success() const noexcept { return known && signal == 0 && code == 0; }
  [[nodiscard]] std::chrono::microseconds cpu_time() const noexcept { return user_time + system_time; }
  /// "exit code 3", "killed by SIGSEGV (Segmentation fault)", "ended; its exit status is unknown …".
  [[nodiscard]] std::string describe() const;
};

}  // namespace kin
