// SPDX-License-Identifier: BSL-1.0
// block_reference: what crosses on a worker's channel instead of a large request or outcome, which lies in a block of
// shared memory. Written by block_store, read by opened_blocks.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace kin::detail {

/// A frame on a worker's channel whose message lies in a block: a request, an outcome.
inline constexpr std::uint64_t call_in_block_frame = 0x6b696e2d63626c6b;     // "kin-cblk"
inline constexpr std::uint64_t outcome_in_block_frame = 0x6b696e2d6f626c6b;  // "kin-oblk"

/// What a block begins with.
struct block_head {
  std::atomic<std::uint64_t> returned;  ///< how often a receiver has done with it
};
inline constexpr std::size_t block_head_size = 64;
static_assert(sizeof(block_head) <= block_head_size && std::atomic<std::uint64_t>::is_always_lock_free);

/// The message of a frame that refers to a block. Its last descriptor is the block's.
struct block_reference {
  std::uint64_t number;  ///< unique among the blocks of the sender
  std::uint64_t whole;   ///< bytes of the block
  std::uint64_t size;    ///< of the message, which begins behind the head
};

}  // namespace kin::detail
