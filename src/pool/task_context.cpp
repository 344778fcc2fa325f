// SPDX-License-Identifier: BSL-1.0
// task_context and current_pool: see the headers.
#include "pool/task_context.hpp"

#include <stdexcept>
#include <string>

#include <kin/pool/current_pool.hpp>

namespace kin {
namespace detail {
namespace {

thread_local task_context* innermost = nullptr;
kin::pool* pool_of_process = nullptr;  // leaked: a task's own threads may outlive static objects

}  // namespace

std::exception_ptr too_deep() {
  return std::make_exception_ptr(std::length_error(
      "kin: tasks of a pool are nested " + std::to_string(deepest_task) +
      " deep in tasks of the same pool that have not ended: does the recursion end? Call the function "
      "itself from some depth on"));
}

bool runs_in_task_of(const task_pool& pool) noexcept { return task_context::of(pool) != nullptr; }

void refuse_in_task(const char* verb) {
  throw std::logic_error("kin: a task cannot " + std::string(verb) +
                         " the pool that it runs in; that is for whoever made the pool");
}

unsigned live_ancestors(const std::shared_ptr<task_ancestor>& last) {
  unsigned n = 1;
  for (task_ancestor* at = last.get(); at->parent != nullptr; at = at->parent.get(), ++n)
    if (at->parent->over.load(std::memory_order_relaxed)) {
      // One by one: a chain of any length may end here.
      for (auto gone = std::move(at->parent); gone && gone.use_count() == 1;) gone = std::move(gone->parent);
      break;
    }
  return n;
}

task_context::task_context(std::shared_ptr<task_pool> its, std::uint32_t sharers, std::shared_ptr<task_ancestor> parent)
    : core_(its.get()),
      pool_(kin::pool::of_task{std::move(its)}),
      parent_(std::move(parent)),
      sharers_(sharers),
      outer_(innermost) {
  innermost = this;
}
task_context::~task_context() {
  innermost = outer_;
  if (own_) own_->over.store(true, std::memory_order_relaxed);
}
const std::shared_ptr<task_ancestor>& task_context::as_parent() {
  if (!own_) own_ = std::make_shared<task_ancestor>(std::move(parent_));
  return own_;
}
task_context* task_context::current() noexcept { return innermost; }
task_context* task_context::of(const task_pool& pool) noexcept {
  task_context* each = innermost;
  while (each != nullptr && each->core_ != &pool) each = each->outer_;
  return each;
}

void set_process_pool(std::shared_ptr<task_pool> its) {
  pool_of_process = new kin::pool(kin::pool::of_task{std::move(its)});
}

}  // namespace detail

pool& current_pool() {
  if (auto* context = detail::task_context::current()) return context->its_pool();
  if (detail::pool_of_process) return *detail::pool_of_process;
  throw std::logic_error(
      "kin: kin::current_pool() is for tasks: this thread runs no task of a kin::pool or kin::thread_pool");
}

}  // namespace kin
