// SPDX-License-Identifier: BSL-1.0
// worker: the far end of a pool: one process, one thread, one task at a time (station 5 of the journey).
#pragma once

#include <cstdint>

namespace kin::detail {

/// Frames between a pool and its worker, besides call_frame and outcome_frame. An outcome ends in eight bytes: the
/// memory that is resident in the worker, if it was to tell.
inline constexpr std::uint64_t ready_frame = 0x6b696e2d72656479;  // "kin-redy"
/// Before a task: eight bytes, how much memory it may take.
inline constexpr std::uint64_t limit_frame = 0x6b696e2d6c696d74;  // "kin-limt"

struct worker_setup {
  bool has_initializer = false;
  bool tells_memory = false;  ///< after each task
};
/// What a worker process runs: the initializer, if there is one, then tasks until its channel closes.
void pool_worker_main(worker_setup setup);

}  // namespace kin::detail
