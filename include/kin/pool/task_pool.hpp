// SPDX-License-Identifier: BSL-1.0
// task_pool: what runs tasks, as the templates of pool and thread_pool see it. Behind it: worker processes (pool_core),
// threads (thread_core), or, inside a task, the pool that the task runs in (worker_pool).
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <kin/core/export.hpp>
#include <kin/pool/pool_options.hpp>
#include <kin/pool/shared_buffer.hpp>
#include <kin/pool/task_state.hpp>
#include <kin/pool/task_work.hpp>

namespace kin::detail {

class KIN_EXPORT task_pool : public task_owner {
 public:
  /// Numbers the task and lets it wait for a worker; waits itself while max_pending tasks wait. Throws closed_error
  /// after close(), std::invalid_argument for a limit that it cannot keep.
  virtual void submit(task_work work, task_label name, std::shared_ptr<task_state> state,
                      const task_options& options) = 0;
  /// Takes a task back that no worker has got yet and runs it in this thread, without limits. False when a worker has
  /// it.
  virtual bool run_here(task_state& state) = 0;
  virtual void close() = 0;
  /// Waits until all tasks have ended, their callbacks have run and the workers are gone.
  virtual void join() = 0;
  /// Ends at once: tasks that have not ended get cancelled_error; worker processes get SIGTERM, `grace` to end, and
  /// SIGKILL.
  virtual void terminate(std::chrono::nanoseconds grace) = 0;
  /// Its handle is gone: what was submitted is done first, or with `at_once` nothing more.
  virtual void finish(bool at_once) {
    at_once ? terminate({}) : close();
    join();
  }
  [[nodiscard]] virtual pool_stats stats() const = 0;
  /// Most workers.
  [[nodiscard]] virtual std::size_t size() const noexcept = 0;
  /// Shared memory for a map; null where there is none to be had.
  [[nodiscard]] virtual std::shared_ptr<shared_buffer> take_buffer(std::size_t) { return nullptr; }
  /// Every task that used it has answered.
  virtual void give_back(std::shared_ptr<shared_buffer>) {}
  /// For large requests; null: they are copied.
  [[nodiscard]] virtual block_source* blocks() noexcept { return nullptr; }
  /// Of the states of its tasks.
  [[nodiscard]] virtual const std::shared_ptr<task_home>& home() const noexcept = 0;
  [[nodiscard]] const std::shared_ptr<callback_runner>& callbacks() const noexcept { return home()->runner; }
};

/// What pools that are made by a worker's tasks count: its part of the processors, or all that this process counts.
enum class worker_processors : unsigned char { divided, all };
/// A pool of worker processes. Throws start_error without init(), std::out_of_range for silly sizes.
KIN_EXPORT std::shared_ptr<task_pool> make_process_pool(pool_options options,
                                                        worker_processors have = worker_processors::divided);
/// A pool of threads. Throws std::invalid_argument for options that only processes can keep.
KIN_EXPORT std::shared_ptr<task_pool> make_thread_pool(pool_options options);

}  // namespace kin::detail
