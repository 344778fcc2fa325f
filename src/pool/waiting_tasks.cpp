// SPDX-License-Identifier: BSL-1.0
// waiting_tasks: see the header. A state's `place` is its task while that is here.
#include "pool/waiting_tasks.hpp"

#include <kin/core/error.hpp>

namespace kin::detail {

std::exception_ptr too_late(const task_label& label, const task_options& options) {
  return std::make_exception_ptr(task_timeout("kin: " + (options.name.empty() ? label.text() : options.name) +
                                              " was submitted with a timeout below zero, and so was not begun"));
}

waiting_tasks::~waiting_tasks() {
  while (pop()) {
  }
}

void waiting_tasks::push_back(std::unique_ptr<pooled_task> t) {
  row& r = rows_[rank_of(*t)];
  pooled_task* const task = t.release();
  task->state->place = task;
  task->before = r.last;
  task->after = nullptr;
  (r.last ? r.last->after : r.first) = task;
  r.last = task;
  ++size_;
}

void waiting_tasks::push_front(std::unique_ptr<pooled_task> t) {
  row& r = rows_[rank_of(*t)];
  pooled_task* const task = t.release();
  task->state->place = task;
  task->before = nullptr;
  task->after = r.first;
  (r.first ? r.first->before : r.last) = task;
  r.first = task;
  ++size_;
}

std::unique_ptr<pooled_task> waiting_tasks::unlink(std::map<rank, row, std::greater<>>::iterator at, pooled_task& t) {
  row& r = at->second;
  (t.before ? t.before->after : r.first) = t.after;
  (t.after ? t.after->before : r.last) = t.before;
  if (!r.first && rows_.size() > 1) rows_.erase(at);
  t.before = t.after = nullptr;
  t.state->place = nullptr;
  --size_;
  return std::unique_ptr<pooled_task>(&t);
}

std::unique_ptr<pooled_task> waiting_tasks::pop() {
  if (size_ == 0) return nullptr;
  auto at = rows_.begin();
  while (!at->second.first) at = rows_.erase(at);
  return unlink(at, *at->second.first);
}

const pooled_task* waiting_tasks::front() const noexcept {
  for (const auto& [of, tasks] : rows_)
    if (tasks.first != nullptr) return tasks.first;
  return nullptr;
}

std::unique_ptr<pooled_task> waiting_tasks::take(const task_state& state) {
  auto* const task = static_cast<pooled_task*>(state.place);
  if (!task) return nullptr;
  return unlink(rows_.find(rank_of(*task)), *task);
}

}  // namespace kin::detail
