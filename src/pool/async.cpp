// SPDX-License-Identifier: BSL-1.0
// async: one pool for each start method that is never destroyed, because calls may outlive static objects. It costs no
// thread and no process while no call is under way.
#include <kin/pool/async.hpp>

#include <array>
#include <atomic>
#include <mutex>
#include <new>

#include "process/runtime.hpp"

namespace kin::detail {
namespace {

constexpr std::size_t most_calls_at_once = 4096;
constexpr std::size_t start_methods = 3;
std::mutex making_async_pool;
std::array<std::atomic<std::shared_ptr<task_pool>*>, start_methods> async_pools{};

// The copy's workers and thread are the parent's; it gets pools of its own. The lock may have been copied while held.
void forget() {
  for (auto& pool : async_pools) pool.store(nullptr);
  new (&making_async_pool) std::mutex;
}

pool_options for_calls(const process_options& process) {
  pool_options options;
  options.max_tasks_per_worker = 1;
  options.start = process.start;
  options.process = process;
  if (process.name.empty()) options.process.name = "Async";
  return options;
}

}  // namespace

task_pool& one_call_processes(start_method start) {
  auto& mine = async_pools.at(static_cast<std::size_t>(start.which()));
  if (auto* pool = mine.load(std::memory_order_acquire)) return **pool;
  require_init();
  const std::lock_guard hold(making_async_pool);
  if (!mine.load()) {
    static const bool registered = (runtime::get().on_fork(&forget), true);
    (void)registered;
    process_options process;
    process.start = start;
    pool_options options = for_calls(process);
    options.workers = most_calls_at_once;
    mine.store(new std::shared_ptr<task_pool>(make_process_pool(std::move(options), worker_processors::all)),
               std::memory_order_release);
  }
  return **mine.load();
}

std::shared_ptr<task_pool> one_call_process(const process_options& process) {
  pool_options options = for_calls(process);
  options.workers = 1;
  return make_process_pool(std::move(options), worker_processors::all);
}

}  // namespace kin::detail
