// SPDX-License-Identifier: BSL-1.0
// block_table: who has which of the blocks in which messages are built in place, in shared memory, one table a
// direction of a pipe. The writer takes a block and sends it by number; the reader gives it back.
//
// Invariant: `taken` and the places are written by the writer alone, and a place only while its block is free;
// `returned` by the reader alone. A block is free while both counts are equal. What another process writes here instead
// is judged by whoever uses it (transport/ring_blocks.hpp).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace kin::detail {

struct block_table {
  static constexpr unsigned blocks = 16;
  // Each writer's words in lines of their own; the reader looks at the places seldom, the writer at several counts at
  // once.
  alignas(128) std::atomic<std::uint64_t> taken[blocks];
  alignas(128) std::atomic<std::uint64_t> returned[blocks];
  alignas(128) std::atomic<std::uint64_t> offset[blocks];  ///< in the pipe's memory file
  std::atomic<std::uint64_t> size[blocks];                 ///< 0: there is none yet
};

}  // namespace kin::detail
