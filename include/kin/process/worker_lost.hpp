// SPDX-License-Identifier: BSL-1.0
// worker_lost: a process ended without answering the call that it was running.
#pragma once

#include <chrono>
#include <string>

#include <kin/core/error.hpp>
#include <kin/core/export.hpp>
#include <kin/process/exit_status.hpp>

namespace kin {

/// The process that ran a task died. `what()` is the whole story, for people; the parts are for programs.
struct KIN_EXPORT worker_lost : error {
  worker_lost(std::string task, int pid, exit_status status, std::string details,
              std::chrono::microseconds run_time = {});
  worker_lost(const worker_lost&) = default;
  worker_lost& operator=(const worker_lost&) = default;
  ~worker_lost() override;

  /// What was being run, readable.
  [[nodiscard]] const std::string& task() const noexcept { return task_; }
  [[nodiscard]] int pid() const noexcept { return pid_; }
  /// Signal or exit code, peak memory and CPU time.
  [[nodiscard]] const exit_status& status() const noexcept { return status_; }
  [[nodiscard]] int signal() const noexcept { return status_.signal; }
  [[nodiscard]] int code() const noexcept { return status_.code; }
  /// From the task's beginning until its process was found dead; 0: not known.
  [[nodiscard]] std::chrono::microseconds run_time() const noexcept { return run_time_; }
  /// What else is known: the stack of a crash, the out-of-memory killer, the last lines of stderr; may be empty.
  [[nodiscard]] const std::string& details() const noexcept { return details_; }

 private:
  std::string task_;
  int pid_;
  exit_status status_;
  std::string details_;
  std::chrono::microseconds run_time_;
};

}  // namespace kin
