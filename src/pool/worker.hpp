// SPDX-License-Identifier: BSL-1.0
// worker: the far end of a pool: one process, one thread, one task at a time (station 5 of the journey).
#pragma once

#include <cstddef>
#include <cstdint>

#include <kin/os/unique_fd.hpp>

namespace kin::detail {

/// Frames between a pool and its worker, besides call_frame and outcome_frame, which carry what the worker's lane
/// (task_lane.hpp) has no room for: requests whose order is in it, and outcomes.
inline constexpr std::uint64_t ready_frame = 0x6b696e2d72656479;  // "kin-redy"
/// The worker has nothing more to do, and has answered so many tasks (std::uint64_t).
inline constexpr std::uint64_t look_frame = 0x6b696e2d6c6f6f6b;  // "kin-look"
/// The worker has the descriptors of the task that it has begun, after so many answers (std::uint64_t).
inline constexpr std::uint64_t received_frame = 0x6b696e2d72637664;  // "kin-rcvd"
/// From a task to its own pool: a task to run; that the worker waits for such tasks, and no more; that nobody wants one
/// any more; two questions.
inline constexpr std::uint64_t submit_frame = 0x6b696e2d7375626d;     // "kin-subm"
inline constexpr std::uint64_t blocked_frame = 0x6b696e2d626c6b64;    // "kin-blkd"
inline constexpr std::uint64_t unblocked_frame = 0x6b696e2d676f6573;  // "kin-goes"
inline constexpr std::uint64_t withdraw_frame = 0x6b696e2d64726f70;   // "kin-drop"
inline constexpr std::uint64_t cancel_frame = 0x6b696e2d63616e63;     // "kin-canc"
inline constexpr std::uint64_t stats_frame = 0x6b696e2d73746174;      // "kin-stat"
/// And back: how a task ended, the answer to a question. Each begins with its number.
inline constexpr std::uint64_t settled_frame = 0x6b696e2d7365746c;  // "kin-setl"
inline constexpr std::uint64_t answer_frame = 0x6b696e2d616e7377;   // "kin-answ"

struct worker_setup {
  bool has_initializer = false;
  bool tells_memory = false;  ///< after each task
  std::size_t pool_size = 0;
  bool light = false;         ///< see lane_fence()
  std::uint32_t sharers = 0;  ///< of its processors; 0: as it has inherited them
  unique_fd lane, home;
};
/// What a worker process runs: the initializer, if there is one, then tasks until its channel closes.
void pool_worker_main(worker_setup setup);

}  // namespace kin::detail
