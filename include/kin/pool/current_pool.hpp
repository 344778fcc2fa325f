// SPDX-License-Identifier: BSL-1.0
// current_pool: the pool that the calling task runs in.
#pragma once

#include <kin/core/export.hpp>
#include <kin/pool/pool.hpp>

namespace kin {

/// Inside a task: its own pool, of processes or of threads; a task may submit to it and wait. While it waits for tasks
/// of its own pool, another worker runs in its place, so even a pool of one worker gets on. Any thread of a worker
/// process; of a thread pool the task's own thread alone. Outside a task: std::logic_error.
///
/// Arguments and results cross as in a kin::pool, also in a thread_pool. Tasks may submit after close(); those of a
/// task that died are withdrawn. close(), join() and terminate() are refused: std::logic_error. A task that is 64 deep
/// in such tasks that have not ended is refused: std::length_error from its future, by threads from its submit.
[[nodiscard]] KIN_EXPORT pool& current_pool();

}  // namespace kin
