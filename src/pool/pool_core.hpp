// SPDX-License-Identifier: BSL-1.0
// pool_core: the caller's side of a pool of worker processes. Its parts, by station of the journey of an argument:
//   dispatcher.cpp  3: numbers tasks and gives them to workers (the only writer of tasks); request_heads.cpp helps
//   collector.cpp   7: takes outcomes and settles futures (the only reader of results)
//   leader.cpp      a thread that waits for a future does both meanwhile
//   recall.cpp      takes tasks back that a worker has and has not begun
//   nested_tasks.cpp  what tasks submit to the pool that they run in
//   supervisor.cpp  alone starts, replaces and ends workers, and fails what a dead one had in hand
//   pool_core.cpp   the thread that waits for all of them, close, join and terminate
//
// Invariant: a task is in exactly one place: waiting_, one worker's `has`, or settled. All under mutex_.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <kin/core/deadline.hpp>
#include <kin/pool/task_pool.hpp>
#include <kin/process/child.hpp>

#include "memory/spin.hpp"
#include "os/event_fd.hpp"
#include "pool/block_store.hpp"
#include "pool/lane_memory.hpp"
#include "pool/opened_blocks.hpp"
#include "pool/pool_lock.hpp"
#include "pool/stderr_tail.hpp"
#include "pool/task_lane.hpp"
#include "pool/task_row.hpp"
#include "pool/tick_clock.hpp"
#include "pool/waiting_tasks.hpp"
#include "transport/frame_pump.hpp"

namespace kin::detail {

class pool_core final : public task_pool, public std::enable_shared_from_this<pool_core> {
 public:
  static constexpr std::size_t most_workers = 4096;
  explicit pool_core(pool_options options, worker_processors have = worker_processors::divided);
  ~pool_core() override;
  /// Starts the thread that serves the workers; it keeps the core alive until join() or terminate() has ended it.
  void run_thread();

  void submit(task_work work, task_label name, std::shared_ptr<task_state> state, const task_options& options) override;
  bool cancel_task(task_state& state) override;
  bool withdraw_task(task_state& state) override;
  bool run_here(task_state& state) override;
  bool wait_for(task_state& state, deadline until) override;
  void watch(task_state& state) override;
  void refresh() override;
  void close() override;
  void join() override;
  void terminate(std::chrono::nanoseconds grace) override;
  void finish(bool at_once) override;
  [[nodiscard]] pool_stats stats() const override;
  [[nodiscard]] std::size_t size() const noexcept override { return options_.workers; }
  [[nodiscard]] std::shared_ptr<shared_buffer> take_buffer(std::size_t bytes) override { return buffers_.take(bytes); }
  void give_back(std::shared_ptr<shared_buffer> buffer) override { buffers_.give_back(std::move(buffer)); }
  [[nodiscard]] block_source* blocks() noexcept override { return blocks_.get(); }
  [[nodiscard]] const std::shared_ptr<task_home>& home() const noexcept override { return states_; }

 private:
  using lock = pool_lock;

  using task = pooled_task;

  enum class phase { starting, idle, busy, leaving };
  /// A task that a task of a worker has submitted, which the worker began after so many others.
  struct child_task {
    std::shared_ptr<task_state> state;
    std::uint64_t by;
  };
  /// Why this side killed it; decides what its task's future throws.
  enum class verdict { none, timed_out, cancelled, terminated, broken };
  struct worker {
    worker(std::shared_ptr<child> c, stderr_tail tail, near_memory shared, bool light, std::size_t& behind)
        : process(std::move(c)),
          pump(process->link().native_handle()),
          last_words(std::move(tail)),
          memory(std::move(shared)),
          lane(memory.orders(), memory.answers(), light),
          has(behind) {}
    std::shared_ptr<child> process;
    frame_pump pump;
    stderr_tail last_words;
    phase now = phase::starting;
    verdict judged = verdict::none;
    near_memory memory;
    near_lane lane;
    opened_blocks outcomes{opened_blocks::role::reads_and_returns};
    task_row has;  // what is in its lane; it runs the first, if any
    deadline task_ends = deadline::never();
    deadline idle_ends = deadline::never();
    deadline killed_at = deadline::never();  // leaving, but may end by itself until then
    bool ready = false;                      // has said so: its initializer has run
    bool told_to_leave = false;              // by the end of its channel
    std::size_t tasks_done = 0;
    std::size_t most_at_once = 0;   // tasks in its lane, going by how long the last ones took
    bool asked_to_tell = false;     // of its next answer
    bool asked_in_passing = false;  // without a look: it may have ended one before it saw that
    std::exception_ptr start_failure;
    std::uint64_t number = 0;
    bool blocked = false;                       // its task waits for others of this pool
    std::map<std::uint64_t, child_task> given;  // what its tasks have submitted and has not ended, by its own numbers
  };
  using workers = std::list<std::unique_ptr<worker>>;

  // pool_core.cpp
  void serve();
  [[nodiscard]] pool_stats count() const;
  void wake() const { wake_.set(); }
  void require_owner() const;
  void take_no_more();
  void stop(std::chrono::nanoseconds grace);
  [[nodiscard]] deadline next_timer() const;

  // request_heads.cpp
  [[nodiscard]] static std::size_t small_room(const task_work& work) noexcept;
  void keep_request(task& t, task_work& work);
  [[nodiscard]] std::optional<std::size_t> known_head(const call_head& head) noexcept;
  [[nodiscard]] std::optional<std::size_t> head_number(const call_head& head);
  [[nodiscard]] std::optional<std::size_t> head_number(const call_head& head, std::span<const std::byte> bytes);
  bool attempt_here(task& t);
  [[nodiscard]] parcel whole_request(task& t) const;

  // dispatcher.cpp
  void assign_waiting();
  void look_at_short_ones();
  void assign(worker& to, std::unique_ptr<task> t);
  void queue_waiting();
  [[nodiscard]] bool queue_where_the_last_one_is(std::unique_ptr<task>& t);
  [[nodiscard]] static bool in_slot(const task& t) noexcept;
  [[nodiscard]] bool may_queue(const task& t) const;
  [[nodiscard]] std::size_t room_behind(const worker& w) const;
  static void start_clock(worker& w);
  [[nodiscard]] std::unique_ptr<task> next_waiting();
  [[nodiscard]] std::unique_ptr<task> take_waiting(task_state& state);
  void tell_of_room() noexcept;
  bool cancel_known(task_state& state);
  void settle(task& t, std::exception_ptr failure);
  void note_settled(task_state& state, bool failed);
  void put_back(std::unique_ptr<task> t);

  // leader.cpp
  struct follower {
    task_state* state;
    std::condition_variable changed;
    bool nudged = false;
  };
  std::optional<bool> lead(lock& hold, task_state& state, deadline until);
  void lead_on();
  void look_at_lanes();
  [[nodiscard]] std::size_t worth_waking_for(const worker& w) const;
  bool spin_for_answers(lock& hold);
  class leader_sleep;
  void sleep_for_answers(lock& hold, deadline until);
  void sleep_patiently(lock& hold, deadline until);
  [[nodiscard]] bool more_short_ones_wait() const noexcept;
  void rouse_leader();
  void order_before_looking() const noexcept;
  [[nodiscard]] bool ask_to_tell() noexcept;

  // recall.cpp
  void recall(worker& w);
  void recall_all();
  void taken_back(std::vector<std::unique_ptr<task>> tasks);
  void balance();
  [[nodiscard]] worker* who_has(const task_state& state) noexcept;
  [[nodiscard]] std::unique_ptr<task> take_unbegun(task_state& state);

  // collector.cpp
  void collect(worker& from, std::size_t most = frame_pump::per_round);
  bool harvest(worker& from);
  void look(worker& from);
  void take_outcome(worker& from, parcel outcome);
  void take_small_outcome(worker& from, std::span<const std::byte> outcome);
  [[nodiscard]] std::unique_ptr<task> take_answered(worker& from);
  void take_frame(worker& from, std::uint64_t kind, parcel message);
  static void give_up_descriptors(worker& to, std::uint64_t answers);
  void cannot_understand(worker& w, const std::exception& why);
  void become_idle(worker& w);

  // nested_tasks.cpp
  bool take_word(worker& from, std::uint64_t kind, parcel& message);
  void take_submission(worker& from, parcel message);
  void answer(worker& to, std::uint64_t kind, parcel question);
  bool withdraw_waiting(task_state& state);
  void withdraw_given(const std::map<std::uint64_t, child_task>& given, std::uint64_t answered);
  [[nodiscard]] unsigned depth_of_running(const worker& w) const;
  [[nodiscard]] std::size_t blocked_workers() const;
  [[nodiscard]] bool may_run_another() const;

  // supervisor.cpp
  void supervise(lock& hold);
  [[nodiscard]] bool has_ended(worker& w) const;
  [[nodiscard]] bool wants_worker();
  void start_worker(lock& hold);
  void start_failed(const std::exception_ptr& why);
  void lost(worker& w);
  void take_from_dead(worker& w, const exit_status& status, const std::string& details);
  void retire(worker& w);
  [[nodiscard]] static bool may_go(const worker& w);
  void retire_idle(worker& w);
  void shut_when_sent(worker& w);
  [[nodiscard]] deadline idle_end() const;
  void tell_of_idle(const worker& w);
  void kill(worker& w, verdict why);
  void fail_or_repeat(worker& w, std::unique_ptr<task> t, const exit_status& status, const std::string& details);
  void give_back(std::vector<std::unique_ptr<task>> tasks);
  [[nodiscard]] bool any_worker_ready() const;
  void check_timers();
  void fail_waiting(const std::exception_ptr& why);
  [[nodiscard]] static std::string text_of(const std::exception_ptr& e);
  void tell(worker_event::kind what, int pid, const std::string& text);
  [[nodiscard]] std::size_t live_workers() const;

  pool_options options_;
  const int owner_;  // process that made it; a forked copy has no thread and no workers
  std::shared_ptr<callback_runner> callbacks_;
  std::shared_ptr<task_home> states_;
  shared_buffers buffers_;
  const std::shared_ptr<block_store> blocks_;  // null: memory that is shared would count as the workers' own
  os::event_fd wake_;
  const tick_clock clock_;  // for what workers note of their tasks
  const bool light_;
  const std::uint32_t sharers_;  // of a worker's processors; see processor_sharers.hpp
  home_memory home_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  waiting_tasks waiting_;
  std::size_t queued_ = 0;  // tasks that are behind others in lanes
  workers workers_;
  std::uint64_t tasks_numbered_ = 0, workers_numbered_ = 0, workers_joined_ = 0;
  std::size_t starting_ = 0;  // starts under way without the lock
  bool closed_ = false, terminated_ = false, serving_ = false;
  std::size_t failed_starts_ = 0;  // in a row: how long the pause is
  std::size_t attempts_ = 0;       // of these, since what waited was last failed
  bool proven_ = false;            // a worker has been ready once
  deadline next_start_ = deadline::now();
  std::optional<std::uint64_t> oom_kills_seen_;
  pool_stats counts_;
  std::size_t space_waiters_ = 0;
  std::size_t running_here_ = 0;  // tasks that callers run themselves

  // Leader and followers: of the threads that wait for futures, one takes outcomes from workers. The others sleep.
  task_state* led_ = nullptr;  // what the leader waits for; null: nobody leads
  bool leader_sleeps_ = false;
  bool patient_ = false;  // the leader sleeps for a moment only, whatever comes
  std::vector<follower*> followers_;
  std::atomic<std::uint32_t> news_{0};  // for the leader while it spins: something has changed
  std::vector<near_lane::sign> signs_;  // the leader's
  std::vector<near_memory> buried_;     // lanes of workers that are gone, at which the leader may still look
  bool woke_one_ = false;               // since the leader last gave way
  spin_habit habit_;
  waiting_tasks::rank queued_rank_{};  // of the tasks that are behind others in lanes
  struct row {
    worker* to = nullptr;
    std::size_t more = 0;
  };
  row in_a_row_;  // who got the last task behind others, and how many more it may get; null: something has changed
  // What room there is behind workers' tasks, and whether there has to be, is to be looked at anew.
  void workers_changed() noexcept {
    lanes_full_ = false;
    in_a_row_ = {};
  }
  bool lanes_full_ = false;       // none has room; until one has answered, or a worker comes or is free
  std::size_t watched_ = 0;       // tasks of which somebody is to be told who does not wait in wait_for()
  bool left_to_look_at_ = false;  // by other threads for the pool's
  bool heard_words_ = false;      // of workers: what they submit, that they wait

  // The first bytes of small requests, which say what is called. What they name is never unloaded.
  struct request_head {
    const call_descriptor* descriptor;
    const void* function;
    std::size_t size;
    std::array<std::byte, near_lane::most_head> bytes;
    [[nodiscard]] std::span<const std::byte> text() const noexcept { return {bytes.data(), size}; }
  };
  std::vector<request_head> heads_;  // at most most_heads
  std::size_t last_head_ = 0;
};

}  // namespace kin::detail
