// SPDX-License-Identifier: BSL-1.0
// dispatcher: station 3: numbers tasks and gives them to idle workers.
#include <stdexcept>

#include <kin/core/error.hpp>

#include "os/process_id.hpp"
#include "pool/pool_core.hpp"
#include "process/bootstrap.hpp"

namespace kin::detail {

void pool_core::submit(parcel request, std::string name, std::shared_ptr<task_state> state,
                       const task_options& options) {
  if (os::own_pid() != owner_)
    throw closed_error(
        "kin: this pool belongs to the process that made it; a forked copy of that process must make its own");
  lock hold(mutex_);
  if (options_.max_pending > 0) {
    ++space_waiters_;
    changed_.wait(hold, [&] { return closed_ || waiting_count() < options_.max_pending; });
    --space_waiters_;
  }
  if (closed_) throw closed_error("kin: the pool is closed and takes no more tasks");
  state->set_owner(weak_from_this());
  auto t = std::make_unique<task>();
  t->number = ++tasks_numbered_;
  t->request = std::make_shared<const parcel>(std::move(request));
  t->name = options.name.empty() ? std::move(name) : options.name;
  t->state = std::move(state);
  t->options = options;
  t->retries_left = options.retries;
  waiting_[options.priority].push_back(std::move(t));
  ++counts_.submitted;
  assign_waiting();
  if (!serving_) {
    serving_ = true;
    run_thread();
  }
  if (wants_worker()) {
    // A fork copies the thread that calls it: let that be the user's, not ours.
    if (options_.start == start::fork)
      start_worker(hold);
    else
      wake();
  }
}

std::size_t pool_core::waiting_count() {
  std::size_t n = 0;
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    // A task that was cancelled while it waited is settled already.
    while (!it->second.empty() && it->second.front()->state->ready()) it->second.pop_front();
    n += it->second.size();
    it = it->second.empty() ? waiting_.erase(it) : std::next(it);
  }
  return n;
}

std::unique_ptr<pool_core::task> pool_core::next_waiting() {
  if (waiting_count() == 0) return nullptr;
  auto& first = waiting_.begin()->second;
  auto t = std::move(first.front());
  first.pop_front();
  if (space_waiters_ > 0) changed_.notify_all();
  return t;
}

void pool_core::assign_waiting() {
  for (const auto& w : workers_) {
    if (w->now != phase::idle) continue;
    auto t = next_waiting();
    if (!t) return;
    assign(*w, std::move(t));
  }
}

void pool_core::assign(worker& to, std::unique_ptr<task> t) {
  to.current = std::move(t);
  to.now = phase::busy;
  task& now = *to.current;
  to.task_ends =
      now.options.timeout > now.options.timeout.zero() ? deadline::after(now.options.timeout) : deadline::never();
  try {
    to.pump.send(call_frame, now.request);
    if (to.pump.wants_to_write() || to.pump.closed()) wake();
  } catch (...) {
    // No descriptors left, or none allowed: that is this task's failure, and the worker may hold half a request.
    settle(now, std::current_exception());
    kill(to, verdict::broken);
    wake();
  }
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
  waiting_[t->options.priority].push_front(std::move(t));
}

bool pool_core::cancel_task(task_state& state) {
  if (os::own_pid() != owner_) return false;
  const lock hold(mutex_);
  if (!state.settle(std::make_exception_ptr(cancelled_error("kin: the task was cancelled")))) return false;
  note_settled(true);
  for (const auto& w : workers_)
    if (w->current && w->current->state.get() == &state) {
      kill(*w, verdict::cancelled);
      break;
    }
  wake();
  return true;
}

}  // namespace kin::detail
