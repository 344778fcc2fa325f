// SPDX-License-Identifier: BSL-1.0
// thread_core: the pool behind kin::thread_pool: threads that take waiting tasks. No thread of its own: who submits
// starts threads, and each of those leaves when nothing is left to do.
//
// Invariant: a task is in waiting_, in one thread's hands, or settled. Threads that wait for tasks of this pool
// (blocked_) do not count against its size.
#pragma once

#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <vector>

#include <kin/pool/task_pool.hpp>

#include "pool/pool_lock.hpp"
#include "pool/waiting_tasks.hpp"

namespace kin::detail {

class thread_core final : public task_pool, public std::enable_shared_from_this<thread_core> {
 public:
  static constexpr std::size_t most_threads = 4096;
  explicit thread_core(pool_options options);

  void submit(task_work work, task_label name, std::shared_ptr<task_state> state, const task_options& options) override;
  bool cancel_task(task_state& state) override;
  bool withdraw_task(task_state& state) override;
  bool run_here(task_state& state) override;
  void close() override;
  void join() override;
  void terminate(std::chrono::nanoseconds grace) override;
  void finish(bool at_once) override;
  [[nodiscard]] pool_stats stats() const override;
  [[nodiscard]] std::size_t size() const noexcept override { return options_.workers; }
  [[nodiscard]] const std::shared_ptr<task_home>& home() const noexcept override { return states_; }
  void wait_begins() noexcept override;
  void wait_ends() noexcept override;

 private:
  using lock = pool_lock;

  // thread_core.cpp
  void require_owner() const;
  void end(bool at_once);
  bool settle(task_state& state, std::exception_ptr failure);
  void note_settled(bool failed);
  void fail_waiting(const std::exception_ptr& why);
  void tell(worker_event::kind what, const std::string& text);

  // pool_thread.cpp
  struct thread_record;
  void start_thread();
  void need_thread() noexcept;
  void serve(thread_record& self);
  bool initialise(lock& hold);
  bool wait_for_task(lock& hold);
  void run(lock& hold, std::unique_ptr<pooled_task> t);
  /// One attempt; true when the task is to be tried again.
  bool run_once(pooled_task& t);
  /// More tasks wait than threads will come to them: those that idle, of which some may have been woken, and those that
  /// begin.
  [[nodiscard]] bool wants_thread() const {
    return waiting_.size() > idle_ + (threads_ - ready_) && threads_ < options_.workers + blocked_;
  }
  [[nodiscard]] bool may_run() const { return running_ < options_.workers + blocked_; }
  [[nodiscard]] bool own_thread() const noexcept;

  pool_options options_;
  const int owner_;
  const std::uint32_t sharers_;  // of the processors that a task counts; see processor_sharers.hpp
  std::shared_ptr<callback_runner> callbacks_;
  std::shared_ptr<task_home> states_;

  mutable std::mutex mutex_;
  std::condition_variable work_;     // for threads: a task waits, or the pool ends
  std::condition_variable changed_;  // for everybody else
  waiting_tasks waiting_;
  std::vector<std::shared_ptr<task_state>> in_hand_;  // of tasks that run
  std::size_t threads_ = 0, ready_ = 0, idle_ = 0, running_ = 0, blocked_ = 0, running_here_ = 0;
  std::size_t failed_starts_ = 0;  // in a row
  std::uint64_t tasks_numbered_ = 0, threads_numbered_ = 0;
  bool closed_ = false, terminated_ = false;
  pool_stats counts_;
};

}  // namespace kin::detail
