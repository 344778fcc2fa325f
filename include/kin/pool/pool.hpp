// SPDX-License-Identifier: BSL-1.0
// pool: worker processes that run tasks. Arguments are encoded in the caller.
#pragma once

#include <memory>

#include <kin/core/count.hpp>
#include <kin/core/export.hpp>
#include <kin/pool/pool_options.hpp>
#include <kin/pool/pool_verbs.hpp>
#include <kin/process/worker_lost.hpp>

namespace kin {

/// A pool of worker processes. Move-only; any number of threads may submit. Workers are started when tasks wait and
/// none is free, up to the pool's size. A task's arguments, result and exceptions cross by value (api.md says what
/// may). What can be done with it is in pool_verbs.hpp.
///
/// A worker's death fails only the task it was running, with worker_lost; the pool replaces it. The destructor finishes
/// what was submitted and joins; while an exception unwinds the stack it terminates instead. After fork the pool
/// belongs to the parent: the copy refuses.
class KIN_EXPORT pool : public detail::pool_verbs<detail::by_copy> {
 public:
  /// cpu_count() workers at most; inside of a task, its share of them. Throws start_error without kin::init().
  pool() : pool(pool_options{}) {}
  explicit pool(count workers) : pool(pool_options{.workers = workers}) {}
  explicit pool(pool_options options);
  /// For kin: a handle of a pool that somebody else owns and ends.
  struct of_task {
    std::shared_ptr<detail::task_pool> core;
  };
  explicit pool(of_task its) noexcept;
};

}  // namespace kin
