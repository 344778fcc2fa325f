// SPDX-License-Identifier: BSL-1.0
// dispatcher: station 3: numbers tasks and gives them to idle workers.
#include <algorithm>
#include <stdexcept>
#include <utility>

#include <kin/core/error.hpp>
#include <kin/os/duplicate.hpp>
#include <kin/wire/outcome.hpp>

#include "memory/cpu.hpp"
#include "os/process_id.hpp"
#include "os/processors.hpp"
#include "pool/block_reference.hpp"
#include "pool/pool_core.hpp"
#include "pool/task_context.hpp"
#include "pool/worker.hpp"
#include "process/bootstrap.hpp"

namespace kin::detail {
namespace {

// So often whoever submits looks whether workers have ended something, if nobody else does.
constexpr std::uint64_t looks_a_task = 16;
constexpr std::size_t most_in_a_row = 8;

}  // namespace

void pool_core::submit(task_work work, task_label name, std::shared_ptr<task_state> state,
                       const task_options& options) {
  require_owner();
  auto t = task::make(small_room(work));
  t->label = name;
  t->state = std::move(state);
  t->set_options(options);
  if (passengers carried = take_carried(work); !carried.empty()) t->state->keep_until_settled(std::move(carried));
  // A part of a map that the caller runs is a task, too: it must not wait for room, and goes on after close().
  const bool nested = runs_in_task_of(*this);
  lock hold(mutex_);
  if (is_too_late(options)) {
    if (closed_ && !nested) throw closed_error("kin: the pool is closed and takes no more tasks");
    ++counts_.submitted;
    settle(*t, too_late(name, options));
    return;
  }
  if (options_.max_pending > 0 && !nested) {
    ++space_waiters_;
    changed_.wait(hold, [&] { return closed_ || waiting_.size() < options_.max_pending; });
    --space_waiters_;
  }
  if (terminated_ || (closed_ && !nested)) throw closed_error("kin: the pool is closed and takes no more tasks");
  t->number = ++tasks_numbered_;
  keep_request(*t, work);
  if (!serving_) {
    run_thread();  // before anything counts on it: it may throw
    serving_ = true;
  }
  // What is queued behind other tasks must not run before something more urgent.
  if (queued_ > 0 && waiting_tasks::rank_of(*t) > queued_rank_) recall_all();
  ++counts_.submitted;
  if (queue_where_the_last_one_is(t)) return;
  waiting_.push_back(std::move(t));
  if (!lanes_full_) assign_waiting();
  if (!waiting_.empty() && led_ == nullptr && tasks_numbered_ % looks_a_task == 0) look_at_lanes();
  if (wants_worker()) {
    // A fork copies the thread that calls it: let that be the user's, not ours.
    if (options_.start == start::fork && next_start_.passed())
      start_worker(hold);
    else
      wake();
  }
}

std::unique_ptr<pool_core::task> pool_core::next_waiting() {
  auto t = waiting_.pop();
  if (t) tell_of_room();
  return t;
}

std::unique_ptr<pool_core::task> pool_core::take_waiting(task_state& state) {
  auto t = waiting_.take(state);
  if (t) tell_of_room();
  return t;
}

void pool_core::tell_of_room() noexcept {
  if (space_waiters_ > 0) changed_.notify_all();
}

void pool_core::assign_waiting() {
  // Who is awake first: it costs nothing to tell. To wake one costs more than a look at who may have ended. One that
  // slept on this processor may take it at once, while there are more to be given their tasks: it comes last.
  enum class which : unsigned char { awake, elsewhere, any };
  std::uint32_t here = 0;
  for (const which now : {which::awake, which::elsewhere, which::any}) {
    if (now == which::elsewhere) {
      look_at_short_ones();
      here = static_cast<std::uint32_t>(os::current_processor() + 1);
    }
    for (const auto& w : workers_) {
      if (waiting_.empty()) return;
      if (w->now != phase::idle || (now == which::awake && w->lane.sleeps()) ||
          (now == which::elsewhere && w->lane.processor() == here))
        continue;
      if (!may_run_another()) return;
      assign(*w, next_waiting());
    }
  }
  if (!waiting_.empty()) queue_waiting();
}

// Waits for less than a wake costs, if somebody would have to be woken and somebody else has short tasks.
void pool_core::look_at_short_ones() {
  constexpr std::size_t short_ones = 32;  // at once: a microsecond or so each
  constexpr int looks = 32;
  const auto is_idle = [](const auto& w) { return w->now == phase::idle; };
  if (std::none_of(workers_.begin(), workers_.end(), is_idle)) return;
  for (const auto& w : workers_) {
    if (w->now != phase::busy || w->most_at_once < short_ones || w->has.size() != 1 || w->judged != verdict::none)
      continue;
    const auto sign = w->lane.next_sign();
    for (int i = 0; i < looks && !sign.shows(); ++i) cpu::pause();
    if (sign.shows()) (void)harvest(*w);
    if (waiting_.empty()) return;
  }
}

// Short tasks are given to workers before they have ended what they do: each would otherwise wait for somebody of this
// process to notice. What a worker has not begun can be taken back (recall.cpp).
void pool_core::queue_waiting() {
  if (options_.max_pending > 0 || options_.max_worker_memory > 0 || live_workers() + starting_ < options_.workers ||
      workers_.size() > options_.workers)
    return;
  while (const task* const next = waiting_.front()) {
    worker* to = nullptr;  // who has the fewest
    if (may_queue(*next))
      for (const auto& w : workers_)
        if (room_behind(*w) > 0 && (to == nullptr || w->has.size() < to->has.size())) to = w.get();
    if (to == nullptr) {
      lanes_full_ = true;
      return;
    }
    queued_rank_ = waiting_tasks::rank_of(*next);
    // Not more than an eighth of its room: the others are to have as many.
    in_a_row_ = {to, std::min(room_behind(*to) / 8, most_in_a_row)};
    assign(*to, next_waiting());
  }
}

// Of many tasks in a row, a few go where the last one has gone, without a look at all workers, for as long as nothing
// has come between that queue_waiting() went by. Else `t` is left as it is.
bool pool_core::queue_where_the_last_one_is(std::unique_ptr<task>& t) {
  auto& [to, more] = in_a_row_;
  if (to == nullptr) return false;
  if (more == 0 || !waiting_.empty() || !may_queue(*t) || room_behind(*to) == 0) {
    in_a_row_ = {};
    return false;
  }
  --more;
  queued_rank_ = waiting_tasks::rank_of(*t);
  assign(*to, std::move(t));
  return true;
}

bool pool_core::in_slot(const task& t) noexcept {
  const parcel* const whole = t.request();
  return whole == nullptr || (whole->fds.empty() && near_lane::fits(whole->view().size()));
}

bool pool_core::may_queue(const task& t) const {
  return t.timeout() <= std::chrono::nanoseconds::zero() && in_slot(t) &&
         (queued_ == 0 || waiting_tasks::rank_of(t) == queued_rank_);
}

// How many tasks may be behind the one that it runs: what it does in a moment, going by how long the last ones took.
std::size_t pool_core::room_behind(const worker& w) const {
  if (w.now != phase::busy || w.blocked || w.has.front().timeout() > std::chrono::nanoseconds::zero() ||
      !in_slot(w.has.front()))
    return 0;
  // It has had short ones, and this one is not: whoever comes behind it would have a worker sooner in the line of all.
  if (w.has.size() == 1 && w.lane.is_long_at_it()) return 0;
  std::size_t most = w.most_at_once;
  if (options_.max_tasks_per_worker > 0)
    most = std::min(most, std::size_t{options_.max_tasks_per_worker} - w.tasks_done);
  return most - std::min(most, w.has.size());
}

void pool_core::assign(worker& to, std::unique_ptr<task> t) {
  task& now = *t;
  const bool first = to.has.empty();
  to.has.push_back(std::move(t));
  to.now = phase::busy;
  if (first) {
    to.lane.tell_processor(static_cast<std::uint32_t>(os::current_processor() + 1));
    if (leader_sleeps_) to.lane.ring_after(0);
    start_clock(to);
    if (to.last_words.native_handle() >= 0) to.last_words.forget();
  }
  if (led_ == nullptr && now.state->watched_by_owner && !to.asked_to_tell) {
    to.lane.ask_to_tell();
    to.asked_to_tell = true;
    to.asked_in_passing = !first;
  }
  if (led_ != nullptr) news_.store(news_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  woke_one_ = woke_one_ || to.lane.sleeps();
  if (in_slot(now)) {
    if (const parcel* const whole = now.request())
      to.lane.put(order_kind::in_slot, now.depth, now.memory_limit(), whole->bytes);
    else
      to.lane.put(now.head, heads_[now.head].text(), now.depth, now.memory_limit(), now.rest());
    if (!to.task_ends.is_never()) wake();
    return;
  }
  try {
    // The order comes last: it wakes the worker, which would go to sleep again for want of the frame.
    if (const auto reference = block_store::refer_or_leave(*now.request()))
      to.pump.send(call_in_block_frame, reference);
    else
      to.pump.send(call_frame, now.shared_request());
    to.lane.put(order_kind::in_frame, now.depth, now.memory_limit(), {});
    // The pool's thread must wait for other things now than when it began to.
    if (to.pump.wants_to_write() || to.pump.closed() || !to.task_ends.is_never()) wake();
  } catch (...) {
    // No descriptors left, or none allowed: that is this task's failure, and the worker may hold half a request.
    settle(now, std::current_exception());
    kill(to, verdict::broken);
    wake();
  }
}

// Until its arguments have gone across, a task has not started: its time begins again with each piece of them.
void pool_core::start_clock(worker& w) {
  if (w.now != phase::busy || w.has.empty()) return;
  const auto timeout = w.has.front().timeout();
  w.task_ends = timeout > timeout.zero() ? deadline::after(timeout) : deadline::never();
}

void pool_core::note_settled(task_state& state, bool failed) {
  ++(failed ? counts_.failed : counts_.completed);
  if (std::exchange(state.watched_by_owner, false)) --watched_;
  if (&state == led_) rouse_leader();
  for (follower* const f : followers_)
    if (f->state == &state) {
      f->nudged = true;
      f->changed.notify_one();
    }
}

void pool_core::settle(task& t, std::exception_ptr failure) {
  if (t.state->settle(std::move(failure))) note_settled(*t.state, true);
}

void pool_core::put_back(std::unique_ptr<task> t) {
  t->count_a_retry();
  ++counts_.retried;
  waiting_.push_front(std::move(t));
}

bool pool_core::cancel_task(task_state& state) {
  require_owner();
  const lock hold(mutex_);
  return cancel_known(state);
}

bool pool_core::cancel_known(task_state& state) {
  // What no worker has begun is taken out before anything else may give it to one. An outcome that is there counts, and
  // may say that the task is to be tried again. Only a worker that is found at it, and can begin nothing behind it, is
  // killed.
  std::unique_ptr<task> unbegun;
  worker* has = nullptr;
  for (bool at_it = false; !at_it;) {
    unbegun = take_unbegun(state);
    has = unbegun ? nullptr : who_has(state);
    if (has == nullptr) break;
    const std::uint64_t answered = has->lane.taken();
    look(*has);
    at_it = who_has(state) == has && has->lane.taken() == answered;
  }
  const bool cancelled = state.settle(std::make_exception_ptr(cancelled_error("kin: the task was cancelled")));
  if (cancelled) {
    note_settled(state, true);
    if (has != nullptr) kill(*has, verdict::cancelled);
  }
  assign_waiting();
  balance();
  if (cancelled) wake();
  return cancelled;
}

bool pool_core::withdraw_task(task_state& state) {
  if (os::own_pid() != owner_ || state.ready()) return false;
  const lock hold(mutex_);
  if (!withdraw_waiting(state)) return false;
  assign_waiting();
  wake();
  return true;
}

namespace {
parcel copy_of(const parcel& original) {
  parcel copy{original.bytes, {}, {}, original.block, original.in_block};
  for (const unique_fd& each : original.fds) copy.fds.push_back(os::duplicate(each.get()));
  return copy;
}
}  // namespace

// The request is decoded as in a worker: the task cannot change what the caller holds. True: to be tried again.
bool pool_core::attempt_here(task& t) {
  parcel outcome;
  std::exception_ptr failure;
  try {
    parcel request;
    {
      const lock hold(mutex_);
      const bool may_repeat = t.retries_left() > 0 && t.request() != nullptr;
      request = may_repeat ? copy_of(*t.request()) : whole_request(t);
    }
    const task_context context(shared_from_this(), sharers_);
    outcome = run_request(std::move(request));
  } catch (...) {
    failure = std::current_exception();
  }
  const lock hold(mutex_);
  if (failure) {
    settle(t, failure);
    return false;
  }
  const bool failed = outcome_failed(outcome);
  if (failed && t.retries_left() > 0 && !terminated_ && outcome_retryable(outcome) && !t.state->ready()) {
    t.count_a_retry();
    ++counts_.retried;
    return true;
  }
  if (t.state->settle(std::move(outcome), "the caller")) note_settled(*t.state, failed);
  return false;
}

bool pool_core::run_here(task_state& state) {
  require_owner();
  std::unique_ptr<task> mine;
  {
    const lock hold(mutex_);
    mine = take_unbegun(state);
    assign_waiting();
    if (!mine) return false;
    ++running_here_;
  }
  while (attempt_here(*mine)) {
  }
  const lock hold(mutex_);
  --running_here_;
  changed_.notify_all();
  wake();
  return true;
}

}  // namespace kin::detail
