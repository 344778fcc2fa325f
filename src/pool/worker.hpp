// SPDX-License-Identifier: BSL-1.0
// worker: the far end of a pool: one process, one thread, one task at a time (station 5 of the journey).
#pragma once

#include <cstdint>

namespace kin::detail {

/// Frames between a pool and its worker, besides call_frame and outcome_frame. An outcome ends in eight bytes: the
/// worker's peak resident memory.
inline constexpr std::uint64_t ready_frame = 0x6b696e2d72656479;  // "kin-redy"

/// What a worker process runs: the initializer, if there is one, then tasks until its channel closes.
void pool_worker_main(bool has_initializer);

}  // namespace kin::detail
