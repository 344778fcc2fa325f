// SPDX-License-Identifier: BSL-1.0
// pool_options: the aggregates that configure a pool, a map and a task.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include <kin/core/count.hpp>
#include <kin/pool/progress.hpp>
#include <kin/process/process_options.hpp>
#include <kin/wire/bound_call.hpp>

namespace kin {

/// What a task may cost. `timeout` counts from the task's start and kills its worker; 0: none; below zero (a budget
/// that is used up): task_timeout at once. `retries`: how often it is run again after worker_lost, a timeout or an
/// exception derived from kin::retryable. `memory_limit`: bytes that it may take beyond what its worker has: then
/// allocations fail, which is std::bad_alloc, or worker_lost if the task cannot bear it; 0: none. Higher `priority`
/// runs first.
struct task_options {
  std::chrono::nanoseconds timeout{};
  count retries = 0;
  std::uint64_t memory_limit = 0;
  std::string name{};
  int priority = 0;
};

/// How a range is worked on. `chunk`: items a task (0: chosen by the pool; 1 for imap). `window`: for imap alone: most
/// items ahead of the consumer (0: chosen). `caller_takes_part`: for map and starmap alone: the calling thread runs
/// chunks too, which no limit and no death of a worker concerns then.
struct map_options {
  count chunk = 0;
  count window = 0;
  kin::progress progress{};
  bool caller_takes_part = false;
  kin::task_options task{};
};

namespace detail {
/// For default arguments: g++ 12 destroys an aggregate that is made in a co_await expression twice, and so
/// `co_await workers.map_async(f, items)` must not make one.
inline const map_options& default_map_options() {
  static const map_options none;
  return none;
}
}  // namespace detail

/// Something that happened to a worker, for logs and dashboards.
struct worker_event {
  enum class kind : unsigned char { started, ready, lost, retired, start_failed };
  kind what = kind::started;
  int pid = -1;
  std::string text{};
};

/// `workers`: at most so many processes (0: cpu_count(), in a task of another pool divided by
/// the size of that). `initializer` runs in each worker first.
/// `max_tasks_per_worker`, `max_worker_memory` (bytes resident): a worker that has reached it is replaced.
/// `idle_timeout`: a worker without work for so long ends. `max_pending`: submitting waits while so many tasks wait.
/// `capture_stderr`: what workers write to stderr is not shown, but kept for worker_lost::details(), the last lines of
/// it. `process`: how workers are started; `start` above counts, not the one in there.
struct pool_options {
  count workers = 0;
  bound_call initializer{};
  count max_tasks_per_worker = 0;
  std::uint64_t max_worker_memory = 0;
  std::chrono::nanoseconds idle_timeout{};
  count max_pending = 0;
  start_method start = kin::start::spawn;
  bool capture_stderr = false;
  std::function<void(const worker_event&)> on_worker_event{};
  process_options process{};
};

/// Numbers of one moment.
struct pool_stats {
  std::size_t workers = 0;  ///< processes that run
  std::size_t idle = 0;     ///< of these, without a task
  std::size_t pending = 0;  ///< tasks that wait
  std::size_t running = 0;  ///< tasks that run
  std::uint64_t submitted = 0, completed = 0, failed = 0, retried = 0;
  std::uint64_t workers_started = 0, workers_lost = 0;
};

}  // namespace kin
