// SPDX-License-Identifier: BSL-1.0
// recall: takes tasks back that a worker has and has not begun: because somebody else can run them now, because they
// are not wanted any more, or because something more urgent has come. All with the pool's lock.
#include <algorithm>

#include <kin/core/error.hpp>

#include "pool/pool_core.hpp"

namespace kin::detail {

// Old tasks first: they go before everything of their rank that waits. What has been settled in a lane is done with.
void pool_core::give_back(std::vector<std::unique_ptr<task>> tasks) {
  std::sort(tasks.begin(), tasks.end(), [](const auto& a, const auto& b) { return a->number > b->number; });
  for (auto& t : tasks)
    if (t->state->ready())
      pool_lock::destroy_later(std::move(t));
    else
      waiting_.push_front(std::move(t));
}

void pool_core::recall(worker& w) {
  // What went to its channel cannot be had back; nothing is behind such a task.
  if (w.has.empty() || !in_slot(w.has.front())) return;
  std::vector<std::unique_ptr<task>> back;
  try {
    const std::size_t kept = w.lane.recall();
    while (w.has.size() > kept) back.push_back(w.has.pop_back());
  } catch (const error& e) {
    cannot_understand(w, e);
  }
  taken_back(std::move(back));
  // It had not begun even the first one.
  if (w.has.empty() && w.now == phase::busy) w.now = phase::idle;
}

void pool_core::recall_all() {
  std::vector<std::unique_ptr<task>> back;
  for (const auto& w : workers_) {
    if (w->has.size() < 2) continue;
    try {
      const std::size_t kept = w->lane.recall();
      while (w->has.size() > kept) back.push_back(w->has.pop_back());
    } catch (const error& e) {
      cannot_understand(*w, e);
    }
    if (w->has.empty() && w->now == phase::busy) w->now = phase::idle;
  }
  taken_back(std::move(back));
}

void pool_core::taken_back(std::vector<std::unique_ptr<task>> tasks) {
  // The leader sleeps until an outcome of a lane that may be somewhere else now.
  if (!tasks.empty() && led_ != nullptr) rouse_leader();
  give_back(std::move(tasks));
  workers_changed();
}

// No task waits behind another while a worker has nothing to do.
void pool_core::balance() {
  if (!waiting_.empty() || queued_ == 0 || !may_run_another()) return;
  const bool any_idle =
      std::any_of(workers_.begin(), workers_.end(), [](const auto& w) { return w->now == phase::idle; });
  if (!any_idle) return;
  recall_all();
  assign_waiting();
}

pool_core::worker* pool_core::who_has(const task_state& state) noexcept {
  for (const auto& w : workers_)
    for (std::size_t i = 0; i < w->has.size(); ++i)
      if (w->has[i].state.get() == &state) return w.get();
  return nullptr;
}

// A task of this state that no worker has begun.
std::unique_ptr<pool_core::task> pool_core::take_unbegun(task_state& state) {
  if (auto t = take_waiting(state)) return t;
  worker* const has = who_has(state);
  if (has == nullptr) return nullptr;
  recall(*has);
  return take_waiting(state);
}

}  // namespace kin::detail
