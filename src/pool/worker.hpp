// SPDX-License-Identifier: BSL-1.0
// worker: the far end of a pool: one process, one thread, one task at a time (station 5 of the journey).
#pragma once

#include <cstdint>

namespace kin::detail {

/// Frames between a pool and its worker, besides call_frame and outcome_frame. An outcome ends in eight bytes: the
/// memory that is resident in the worker, if it was to tell.
inline constexpr std::uint64_t ready_frame = 0x6b696e2d72656479;  // "kin-redy"
/// Before a task, unless all are zero: its task_terms.
inline constexpr std::uint64_t terms_frame = 0x6b696e2d7465726d;  // "kin-term"
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

struct task_terms {
  std::uint64_t memory_limit = 0;  ///< bytes that it may take
  unsigned depth = 0;              ///< of tasks that were submitted by tasks of the same pool
};

struct worker_setup {
  bool has_initializer = false;
  bool tells_memory = false;  ///< after each task
  std::size_t pool_size = 0;
};
/// What a worker process runs: the initializer, if there is one, then tasks until its channel closes.
void pool_worker_main(worker_setup setup);

}  // namespace kin::detail
