// SPDX-License-Identifier: BSL-1.0
// waiting_tasks: the tasks of a pool that no worker has got yet: by priority, deeper ones first among equals (so that
// tasks that wait for their own tasks get on), then first come first served. Any one is taken out in constant time.
// Under the pool's lock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <kin/pool/pool_options.hpp>
#include <kin/pool/task_memory.hpp>
#include <kin/pool/task_state.hpp>
#include <kin/pool/task_work.hpp>

#include "pool/task_lane.hpp"

namespace kin::detail {

struct pooled_task {
  [[nodiscard]] std::string name() const { return options.name.empty() ? label.text() : options.name; }
  static void* operator new(std::size_t bytes) { return take_task_memory(bytes); }
  static void operator delete(void* memory, std::size_t bytes) noexcept { give_back_task_memory(memory, bytes); }
  /// Of a small request, what is behind its head.
  [[nodiscard]] std::span<const std::byte> rest() const noexcept { return {small.data(), small_size}; }

  std::uint64_t number = 0;
  std::shared_ptr<task_state> state;
  std::unique_ptr<local_job> job;   // of a task for a thread, if it was not encoded
  std::shared_ptr<parcel> request;  // what was encoded; null: it is small, and for another process
  pooled_task *before = nullptr, *after = nullptr;
  task_options options;
  std::size_t retries_left = 0;
  unsigned returns = 0;  // from workers that died before they began it
  unsigned depth = 0;    // of tasks that wait for tasks of their own pool
  task_label label;
  std::uint8_t head = 0;  // of a small one: which of the pool's heads it begins with
  std::uint8_t small_size = 0;
  std::array<std::byte, near_lane::most_bytes> small;  // so many of them; the rest stays as it was
};

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
  static rank rank_of(const pooled_task& t) { return {t.options.priority, t.depth}; }

 private:
  struct row {
    pooled_task *first = nullptr, *last = nullptr;
  };
  std::unique_ptr<pooled_task> unlink(std::map<rank, row, std::greater<>>::iterator at, pooled_task& t);

  std::map<rank, row, std::greater<>> rows_;  // the last one stays when it is empty: most pools have one
  std::size_t size_ = 0;
};

}  // namespace kin::detail
