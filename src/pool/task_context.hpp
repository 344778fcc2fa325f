// SPDX-License-Identifier: BSL-1.0
// task_context: what the calling thread knows about the task that it runs: the pool, and which tasks of that pool may
// wait for it. Set by whoever runs a task; asked by current_pool(), and by a pool whose task waits for it.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <utility>

#include <kin/pool/pool.hpp>
#include <kin/pool/task_pool.hpp>

#include "process/processor_sharers.hpp"

namespace kin::detail {

/// Tasks nested deeper in tasks of their own pool are refused: each level holds a worker.
inline constexpr unsigned deepest_task = 64;
/// What a task gets that is submitted at that depth: std::length_error.
[[nodiscard]] std::exception_ptr too_deep();
/// Whether the calling thread runs a task of that pool, perhaps with another inside it.
[[nodiscard]] bool runs_in_task_of(const task_pool& pool) noexcept;
/// close(), join() or terminate() of the pool that the calling task runs in.
[[noreturn]] void refuse_in_task(const char* verb);

/// A task of this process that has submitted others, and the one that had submitted it: until it has ended, they may be
/// waiting for each other.
struct task_ancestor {
  explicit task_ancestor(std::shared_ptr<task_ancestor> of) noexcept : parent(std::move(of)) {}
  std::shared_ptr<task_ancestor> parent;  ///< under the lock of their pool
  std::atomic<bool> over{false};
};
/// How many they are down to this one, up to one that is over, which is left out from now on, with those above it.
[[nodiscard]] unsigned live_ancestors(const std::shared_ptr<task_ancestor>& last);

class task_context {
 public:
  /// The calling thread runs a task of `its` until this is destroyed, which `parent` has submitted, if a task of this
  /// process has. `sharers`: of the processors that the task counts.
  task_context(std::shared_ptr<task_pool> its, std::uint32_t sharers, std::shared_ptr<task_ancestor> parent = nullptr);
  task_context(const task_context&) = delete;
  task_context& operator=(const task_context&) = delete;
  ~task_context();

  /// Of the calling thread; null outside tasks.
  static task_context* current() noexcept;
  /// The innermost of those of that pool, where one task runs another itself, as its part of a map; null: none.
  static task_context* of(const task_pool& pool) noexcept;
  [[nodiscard]] pool& its_pool() noexcept { return pool_; }
  /// This task, as the parent of what it submits.
  [[nodiscard]] const std::shared_ptr<task_ancestor>& as_parent();

 private:
  const task_pool* core_;
  kin::pool pool_;
  std::shared_ptr<task_ancestor> parent_, own_;
  sharers_of_thread sharers_;
  task_context* outer_;
};

/// In a worker process: the pool, for threads that have no context of their own. Null elsewhere.
void set_process_pool(std::shared_ptr<task_pool> its);

}  // namespace kin::detail
