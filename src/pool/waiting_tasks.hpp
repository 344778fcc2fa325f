// SPDX-License-Identifier: BSL-1.0
// waiting_tasks: the tasks of a pool that no worker has got yet: by priority, deeper ones first among equals (so that
// tasks that wait for their own tasks get on), then first come first served. Any one is taken out in constant time.
// Under the pool's lock.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include <kin/pool/pool_options.hpp>
#include <kin/pool/task_state.hpp>
#include <kin/pool/task_work.hpp>

#include "pool/pooled_task.hpp"

namespace kin::detail {

/// A time that was over before the task was submitted: a timeout below zero.
[[nodiscard]] inline bool is_too_late(const task_options& options) noexcept {
  return options.timeout < options.timeout.zero();
}
[[nodiscard]] std::exception_ptr too_late(const task_label& label, const task_options& options);

class waiting_tasks {
 public:
  waiting_tasks() = default;
  waiting_tasks(const waiting_tasks&) = delete;
  waiting_tasks& operator=(const waiting_tasks&) = delete;
  ~waiting_tasks();

  void push_back(std::unique_ptr<pooled_task> t);
  void push_front(std::unique_ptr<pooled_task> t);
  /// Null when there is none.
  [[nodiscard]] std::unique_ptr<pooled_task> pop();
  /// The task of this state, if it waits here.
  [[nodiscard]] std::unique_ptr<pooled_task> take(const task_state& state);
  /// The one that pop() would give; null when there is none.
  [[nodiscard]] const pooled_task* front() const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

  using rank = std::pair<int, unsigned>;
  static rank rank_of(const pooled_task& t) { return {t.priority(), t.depth}; }

 private:
  struct row {
    pooled_task *first = nullptr, *last = nullptr;
  };
  std::unique_ptr<pooled_task> unlink(std::map<rank, row, std::greater<>>::iterator at, pooled_task& t);

  std::map<rank, row, std::greater<>> rows_;  // the last one stays when it is empty: most pools have one
  std::size_t size_ = 0;
};

}  // namespace kin::detail
