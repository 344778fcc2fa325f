// SPDX-License-Identifier: BSL-1.0
// process_view: this process, its parent and its children, seen without owning them.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <kin/core/deadline.hpp>
#include <kin/core/export.hpp>

namespace kin {

namespace detail {
class child;
struct observed_process;
}  // namespace detail

/// A process that somebody else owns. Copyable; any thread.
class KIN_EXPORT process_view {
 public:
  [[nodiscard]] int pid() const noexcept;
  /// "MainProcess" for a process that kin did not start.
  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] bool is_alive() const;
  /// Waits until it has ended; a process cannot wait for itself (std::logic_error).
  void join() const { (void)wait(deadline::never()); }
  template <class Rep, class Period>
  bool join_for(std::chrono::duration<Rep, Period> timeout) const {
    return wait(deadline::after(timeout));
  }
  /// SIGTERM; false when it has ended already, or cannot be signalled safely (no pidfd in a sandbox).
  bool terminate() const;
  /// SIGKILL.
  bool kill() const;
  /// SIGINT.
  bool interrupt() const;
  /// Polls readable once it has ended; -1 for this process itself.
  [[nodiscard]] int native_handle() const noexcept;

 private:
  friend KIN_EXPORT process_view current_process();
  friend KIN_EXPORT std::optional<process_view> parent_process();
  friend KIN_EXPORT std::vector<process_view> active_children();
  explicit process_view(std::shared_ptr<const detail::observed_process> of) noexcept : of_(std::move(of)) {}
  [[nodiscard]] bool wait(deadline until) const;
  [[nodiscard]] bool signal(int number) const;
  std::shared_ptr<const detail::observed_process> of_;
};

KIN_EXPORT process_view current_process();
/// The kin process that started this one; empty in a program that the user started.
KIN_EXPORT std::optional<process_view> parent_process();
/// Children of this process that run: processes, workers and servers. Takes the status of those that have ended.
KIN_EXPORT std::vector<process_view> active_children();

/// How many processors this process may use: its affinity and its cgroup's CPU quota, rounded up, at least 1.
/// The environment variable KIN_CPU_COUNT overrides both.
KIN_EXPORT unsigned cpu_count();

}  // namespace kin
