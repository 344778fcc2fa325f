// SPDX-License-Identifier: BSL-1.0
// async: one pool that is never destroyed, because calls may outlive static objects. It costs no thread and no process
// while no call is under way.
#include <kin/pool/async.hpp>

#include <atomic>
#include <mutex>
#include <new>

#include "process/runtime.hpp"

namespace kin::detail {
namespace {

constexpr std::size_t most_calls_at_once = 4096;
std::mutex making;
std::atomic<std::shared_ptr<task_pool>*> the{nullptr};

// The copy's workers and thread are the parent's; it gets a pool of its own. The lock may have been copied while held.
void forget() {
  the.store(nullptr);
  new (&making) std::mutex;
}

}  // namespace

task_pool& one_call_processes() {
  if (auto* pool = the.load(std::memory_order_acquire)) return **pool;
  require_init();
  const std::lock_guard hold(making);
  if (!the.load()) {
    static const bool registered = (runtime::get().on_fork(&forget), true);
    (void)registered;
    pool_options options;
    options.workers = most_calls_at_once;
    options.max_tasks_per_worker = 1;
    options.process.name = "Async";
    the.store(new std::shared_ptr<task_pool>(make_process_pool(std::move(options))), std::memory_order_release);
  }
  return **the.load();
}

}  // namespace kin::detail
