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
kin::pool* of_process = nullptr;  // leaked: a task's own threads may outlive static objects

}  // namespace

void require_shallow(unsigned depth) {
  if (depth >= deepest_task)
    throw std::length_error("kin: tasks of a pool are nested " + std::to_string(deepest_task) +
                            " deep in tasks of the same pool, each waiting for the next: does the recursion end? "
                            "Call the function itself from some depth on");
}

void refuse_in_task(const char* verb) {
  throw std::logic_error("kin: a task cannot " + std::string(verb) +
                         " the pool that it runs in; that is for whoever made the pool");
}

task_context::task_context(std::shared_ptr<task_pool> its, unsigned depth, std::uint32_t sharers)
    : core_(its.get()), pool_(kin::pool::of_task{std::move(its)}), depth_(depth), sharers_(sharers), outer_(innermost) {
  innermost = this;
}
task_context::~task_context() { innermost = outer_; }
task_context* task_context::current() noexcept { return innermost; }

void set_process_pool(std::shared_ptr<task_pool> its) {
  of_process = new kin::pool(kin::pool::of_task{std::move(its)});
}

}  // namespace detail

pool& current_pool() {
  if (auto* context = detail::task_context::current()) return context->its_pool();
  if (detail::of_process) return *detail::of_process;
  throw std::logic_error(
      "kin: kin::current_pool() is for tasks: this thread runs no task of a kin::pool or kin::thread_pool");
}

}  // namespace kin
