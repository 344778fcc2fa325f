// SPDX-License-Identifier: BSL-1.0
// worker_pool: in a worker process, the pool that the worker belongs to: what kin::current_pool() refers to. Submits
// over the worker's channel to the parent, which runs the task like any other (nested_tasks.cpp is the far end).
//
// Invariant: the channel is read by one thread at a time: the main thread, between tasks, until a task submits; from
// then on by a thread of this class, which hands the main thread what is meant for it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include <kin/pool/task_pool.hpp>
#include <kin/transport/channel.hpp>

#include "os/open_file.hpp"
#include "pool/opened_blocks.hpp"
#include "pool/worker.hpp"

namespace kin::detail {

class worker_pool final : public task_pool, public std::enable_shared_from_this<worker_pool> {
 public:
  worker_pool(channel& link, std::size_t size);

  // ---- for the worker's main thread
  struct frame {
    std::uint64_t kind;
    parcel message;
  };
  /// The next request that comes over the channel; empty when the pool is gone. Throws decode_error.
  std::optional<frame> take_task();
  /// The request itself, wherever it lies. Throws decode_error, os_error (there is no room for a mapping).
  [[nodiscard]] parcel open(frame request);
  /// Any thread. Throws closed_error, os_error.
  void send(std::uint64_t kind, std::span<const std::byte> bytes, std::span<const unique_fd> fds = {});
  /// Deeper by one than the task of this pool that has submitted it; after so many others.
  void begin_task(unsigned depth, std::uint64_t others) {
    depth_.store(depth, std::memory_order_relaxed);
    before_.store(others, std::memory_order_relaxed);
  }
  /// When the pool has said that it wants no more: until all that it had to say has been heard, and callbacks have run.
  void hear_the_rest();
  /// Whether the descriptor of the channel still leads to it: a task may have closed it.
  [[nodiscard]] bool has_channel() const noexcept { return os::file_behind(link_.native_handle()) == channel_file_; }

  // ---- for tasks
  void submit(task_work work, task_label name, std::shared_ptr<task_state> state, const task_options& options) override;
  bool cancel_task(task_state& state) override;
  bool withdraw_task(task_state& state) override;
  bool run_here(task_state&) override { return false; }
  void close() override;
  void join() override;
  void terminate(std::chrono::nanoseconds grace) override;
  [[nodiscard]] pool_stats stats() const override;
  [[nodiscard]] std::size_t size() const noexcept override { return size_; }
  [[nodiscard]] const std::shared_ptr<task_home>& home() const noexcept override { return states_; }
  void wait_begins() noexcept override;
  void wait_ends() noexcept override;

 private:
  void require_owner() const;
  void require_reader();
  void read();
  void take_answer(parcel message);
  void take_settled(parcel message);
  [[nodiscard]] std::optional<frame> next_frame();
  [[nodiscard]] parcel ask(std::uint64_t kind, std::uint64_t what) const;
  [[nodiscard]] std::optional<std::uint64_t> number_of(const task_state& state) const;

  channel& link_;
  const std::size_t size_;
  const int owner_;
  const os::open_file channel_file_;
  std::shared_ptr<callback_runner> callbacks_;
  std::shared_ptr<task_home> states_;
  opened_blocks requests_{opened_blocks::role::reads};
  std::atomic<unsigned> depth_{0};
  std::atomic<std::uint64_t> before_{0};
  std::mutex sending_;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool has_reader_ = false, main_reads_ = false, ended_ = false, has_told_all_ = false;
  std::exception_ptr damage_;
  std::deque<frame> inbox_;
  std::unordered_map<std::uint64_t, std::shared_ptr<task_state>> submitted_;
  mutable std::map<std::uint64_t, std::optional<parcel>> questions_;
  mutable std::uint64_t numbered_ = 0;
  std::size_t waiting_threads_ = 0;  // since that task began:
  std::uint64_t waiting_in_ = 0;     // as before_
};

}  // namespace kin::detail
