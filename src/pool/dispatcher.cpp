// SPDX-License-Identifier: BSL-1.0
// dispatcher: station 3: numbers tasks and gives them to idle workers.
#include <algorithm>
#include <stdexcept>

#include <kin/core/error.hpp>
#include <kin/wire/outcome.hpp>

#include "os/process_id.hpp"
#include "pool/pool_core.hpp"
#include "pool/task_context.hpp"
#include "pool/worker.hpp"
#include "process/bootstrap.hpp"

namespace kin::detail {

void pool_core::submit(task_work work, task_label name, std::shared_ptr<task_state> state,
                       const task_options& options) {
  require_owner();
  lock hold(mutex_);
  if (options_.max_pending > 0) {
    ++space_waiters_;
    changed_.wait(hold, [&] { return closed_ || waiting_.size() < options_.max_pending; });
    --space_waiters_;
  }
  if (closed_) throw closed_error("kin: the pool is closed and takes no more tasks");
  state->set_owner(weak_from_this());
  auto t = std::make_unique<task>();
  t->number = ++tasks_numbered_;
  t->request = std::make_shared<parcel>(std::move(std::get<parcel>(work)));
  t->label = std::move(name);
  t->state = std::move(state);
  t->options = options;
  t->retries_left = options.retries;
  if (!serving_) {
    run_thread();  // before anything counts on it: it may throw
    serving_ = true;
  }
  waiting_.push_back(std::move(t));
  ++counts_.submitted;
  assign_waiting();
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
  if (t && space_waiters_ > 0) changed_.notify_all();
  return t;
}

void pool_core::assign_waiting() {
  for (const auto& w : workers_) {
    if (w->now != phase::idle) continue;
    if (!may_run_another()) return;
    auto t = next_waiting();
    if (!t) return;
    assign(*w, std::move(t));
  }
}

void pool_core::assign(worker& to, std::unique_ptr<task> t) {
  to.current = std::move(t);
  to.now = phase::busy;
  task& now = *to.current;
  start_clock(to);
  to.last_words.forget();
  try {
    if (now.options.memory_limit > 0 || now.depth > 0) {
      writer terms;
      terms(now.options.memory_limit, now.depth);
      to.pump.send(terms_frame, std::make_shared<parcel>(terms.take()));
    }
    to.pump.send(call_frame, now.request);
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
  if (w.now != phase::busy || !w.current) return;
  const auto timeout = w.current->options.timeout;
  w.task_ends = timeout > timeout.zero() ? deadline::after(timeout) : deadline::never();
}

void pool_core::note_settled(bool failed) {
  ++(failed ? counts_.failed : counts_.completed);
  changed_.notify_all();
}

void pool_core::settle(task& t, std::exception_ptr failure) {
  if (t.state->settle(std::move(failure))) note_settled(true);
}

void pool_core::put_back(std::unique_ptr<task> t) {
  --t->retries_left;
  ++counts_.retried;
  waiting_.push_front(std::move(t));
}

bool pool_core::cancel_task(task_state& state) {
  require_owner();
  const lock hold(mutex_);
  return cancel_known(state);
}

bool pool_core::cancel_known(task_state& state) {
  if (!state.settle(std::make_exception_ptr(cancelled_error("kin: the task was cancelled")))) return false;
  note_settled(true);
  const auto waiting = waiting_.take(state);
  for (const auto& w : workers_)
    if (!waiting && w->current && w->current->state.get() == &state) {
      kill(*w, verdict::cancelled);
      break;
    }
  wake();
  return true;
}

bool pool_core::withdraw_task(task_state& state) {
  if (os::own_pid() != owner_) return false;
  const lock hold(mutex_);
  if (!withdraw_waiting(state)) return false;
  wake();
  return true;
}

// The request is decoded as in a worker: the task cannot change what the caller holds.
bool pool_core::run_here(task_state& state) {
  require_owner();
  std::unique_ptr<task> mine;
  {
    const lock hold(mutex_);
    mine = waiting_.take(state);
    if (!mine) return false;
    ++running_here_;
  }
  parcel outcome;
  std::exception_ptr failure;
  try {
    const task_context context(shared_from_this(), mine->depth);
    outcome = run_request(std::move(*mine->request));
  } catch (...) {
    failure = std::current_exception();
  }
  const lock hold(mutex_);
  --running_here_;
  if (failure)
    settle(*mine, failure);
  else if (const bool failed = outcome_failed(outcome); mine->state->settle(std::move(outcome), "the caller"))
    note_settled(failed);
  wake();
  return true;
}

}  // namespace kin::detail
