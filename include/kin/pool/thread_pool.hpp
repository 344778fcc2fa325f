// SPDX-License-Identifier: BSL-1.0
// thread_pool: a pool's interface on threads of this process. Nothing is encoded.
#pragma once

#include <kin/core/count.hpp>
#include <kin/core/export.hpp>
#include <kin/pool/pool_options.hpp>
#include <kin/pool/pool_verbs.hpp>

namespace kin {

/// A pool of threads with the interface of kin::pool. A callable may be any closure, an argument any value (as for
/// std::thread: std::ref for a reference); a repeatable task (`retries`) has copies of both for each attempt. An
/// exception comes out of get() as the object that was thrown. kin::init() is not needed.
///
/// What threads cannot do: a crash in a task is a crash of the program; a running task cannot be stopped. So cancel()
/// of a running task answers false, terminate() fails the futures at once but join() and the destructor wait for the
/// running tasks; `timeout`, `memory_limit`, `max_worker_memory`, `capture_stderr`, `start` and `process` are refused
/// with std::invalid_argument. A worker_event's pid is -1.
class KIN_EXPORT thread_pool : public detail::pool_verbs<detail::by_sharing> {
 public:
  /// cpu_count() threads at most; inside of a task, its share of them.
  thread_pool() : thread_pool(pool_options{}) {}
  explicit thread_pool(count workers) : thread_pool(pool_options{.workers = workers}) {}
  explicit thread_pool(pool_options options);
};

}  // namespace kin
