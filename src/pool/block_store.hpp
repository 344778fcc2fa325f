// SPDX-License-Identifier: BSL-1.0
// block_store: the shared memory that large requests of a pool, or large outcomes of a worker, are written to. What
// goes over the channel then is a reference: where the message lies, and the file it lies in. Blocks are used again,
// because fresh memory is four times as slow as memory that is there. opened_blocks is the other end.
//
// Invariant: a block is written to by one message at a time, and while nobody reads there: a request's is free when its
// task has ended (who still decodes it is being killed), an outcome's when its receiver has counted up in it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include <kin/pool/shared_buffer.hpp>
#include <kin/wire/memory_block.hpp>
#include <kin/wire/parcel.hpp>

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

class block_store final : public block_source, public std::enable_shared_from_this<block_store> {
 public:
  block_store();
  ~block_store();
  block_store(const block_store&) = delete;
  block_store& operator=(const block_store&) = delete;
  /// Null in a copy of this process that somebody has forked: the memory is not the copy's.
  [[nodiscard]] std::shared_ptr<memory_block> take(std::size_t bytes) noexcept override;

  /// To a parcel whose block is from here, with duplicates of its own descriptors. Null: its bytes lie in no block (any
  /// more, where there is no descriptor left for that). Throws os_error.
  [[nodiscard]] static std::shared_ptr<parcel> refer_or_leave(parcel& message);
  /// Its receiver gives the block back.
  static void hand_over(const parcel& message) noexcept;

 private:
  class lent_block;
  struct entry {
    std::shared_ptr<shared_buffer> buffer;
    std::uint64_t handed_over = 0;
    bool lent = false;
    [[nodiscard]] bool is_free() const noexcept;
    bool empty_if_free() const noexcept;
  };
  entry* find(std::size_t bytes) noexcept;
  entry* make(std::size_t bytes);
  void give_back(const shared_buffer& buffer, bool with_receiver) noexcept;

  const int owner_;
  std::mutex mutex_;
  std::vector<entry> all_;
};

/// Of one sender: where its messages lie, here.
class opened_blocks {
 public:
  enum class role { reads, reads_and_returns };
  explicit opened_blocks(role mine) noexcept : mine_(mine) {}

  /// The message that `reference` refers to. Throws decode_error for what no block_store writes, os_error.
  [[nodiscard]] parcel open(parcel reference);

 private:
  class opened;
  struct view;
  [[nodiscard]] std::shared_ptr<view> find(const block_reference& where, int file);

  role mine_;
  std::vector<std::shared_ptr<view>> recent_;  // the last used one last
};

}  // namespace kin::detail
