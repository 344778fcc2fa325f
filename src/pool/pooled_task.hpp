// SPDX-License-Identifier: BSL-1.0
// pooled_task: a task from submit() until its outcome is there. A program may have a million that wait, so what most
// tasks have is two lines, and the bytes of a small request come right behind.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>

#include <kin/pool/pool_options.hpp>
#include <kin/pool/task_memory.hpp>
#include <kin/pool/task_state.hpp>
#include <kin/pool/task_work.hpp>

namespace kin::detail {

struct task_ancestor;  // task_context.hpp

class pooled_task {
 public:
  /// With room for so many bytes of a small request.
  static std::unique_ptr<pooled_task> make(std::size_t small_room = 0) {
    void* const memory = take_task_memory(task_block::task, sizeof(pooled_task) + small_room);
    return std::unique_ptr<pooled_task>(new (memory) pooled_task(small_room));
  }
  ~pooled_task() = default;
  pooled_task(const pooled_task&) = delete;
  pooled_task& operator=(const pooled_task&) = delete;
  static void operator delete(pooled_task* t, std::destroying_delete_t) noexcept {
    const std::size_t bytes = sizeof(pooled_task) + t->small_room_;
    t->~pooled_task();
    give_back_task_memory(task_block::task, t, bytes);
  }

  [[nodiscard]] std::string name() const {
    return rare_ && !rare_->options.name.empty() ? rare_->options.name : label.text();
  }
  [[nodiscard]] std::chrono::nanoseconds timeout() const noexcept {
    return rare_ ? rare_->options.timeout : std::chrono::nanoseconds::zero();
  }
  [[nodiscard]] std::uint64_t memory_limit() const noexcept { return rare_ ? rare_->options.memory_limit : 0; }
  [[nodiscard]] int priority() const noexcept { return rare_ ? rare_->options.priority : 0; }
  [[nodiscard]] std::size_t retries_left() const noexcept { return rare_ ? rare_->retries_left : 0; }
  void count_a_retry() noexcept { --rare_->retries_left; }
  void set_options(const task_options& given) {
    if (given.timeout == given.timeout.zero() && given.retries == 0 && given.memory_limit == 0 && given.name.empty() &&
        given.priority == 0)
      return;
    rare& its = rarely();
    its.options = given;
    its.retries_left = given.retries;
  }

  /// What was encoded; null: it is small, and for another process.
  [[nodiscard]] parcel* request() const noexcept { return rare_ ? rare_->request.get() : nullptr; }
  /// For who may need it longer than the task lives. There is one.
  [[nodiscard]] const std::shared_ptr<parcel>& shared_request() const noexcept { return rare_->request; }
  void set_request(parcel whole) { rarely().request = std::make_shared<parcel>(std::move(whole)); }
  /// Of a small request, what is behind its head.
  [[nodiscard]] std::span<const std::byte> rest() const noexcept {
    return {reinterpret_cast<const std::byte*>(this + 1), small_size_};
  }
  /// Not more than there is room for.
  void set_rest(std::span<const std::byte> bytes) noexcept {
    small_size_ = static_cast<std::uint8_t>(bytes.size());
    if (!bytes.empty()) std::memcpy(reinterpret_cast<std::byte*>(this + 1), bytes.data(), bytes.size());
  }

  /// For a thread: the task that has submitted this one.
  void set_parent(std::shared_ptr<task_ancestor> its) { rarely().parent = std::move(its); }
  [[nodiscard]] std::shared_ptr<task_ancestor> parent() const noexcept { return rare_ ? rare_->parent : nullptr; }

  pooled_task *before = nullptr, *after = nullptr;
  std::shared_ptr<task_state> state;
  std::unique_ptr<local_job> job;  ///< of a task for a thread, if it was not encoded
  std::uint64_t number = 0;
  task_label label;
  unsigned depth = 0;        ///< of tasks that wait for tasks of their own pool
  std::uint8_t returns = 0;  ///< from workers that died before they began it
  std::uint8_t head = 0;     ///< of a small request: which of the pool's heads it begins with

 private:
  struct rare {
    task_options options;
    std::size_t retries_left = 0;
    std::shared_ptr<parcel> request;
    std::shared_ptr<task_ancestor> parent;
  };
  explicit pooled_task(std::size_t small_room) noexcept : small_room_(static_cast<std::uint8_t>(small_room)) {}
  [[nodiscard]] rare& rarely() {
    if (!rare_) rare_ = std::make_unique<rare>();
    return *rare_;
  }

  std::uint8_t small_size_ = 0;
  const std::uint8_t small_room_;
  std::unique_ptr<rare> rare_;
};

}  // namespace kin::detail
