// SPDX-License-Identifier: BSL-1.0
// block_store: the shared memory that large requests of a pool, or large outcomes of a worker, are written to. What
// goes over the channel then is a reference: where the message lies, and the file it lies in. Blocks are used again,
// because fresh memory is four times as slow as memory that is there. opened_blocks is the other end.
//
// Invariant: a block is written to by one message at a time, and while nobody reads there: a request's is free when its
// task has ended (who still decodes it is being killed), an outcome's when its receiver has counted up in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include <kin/pool/shared_buffer.hpp>
#include <kin/wire/memory_block.hpp>
#include <kin/wire/parcel.hpp>

namespace kin::detail {

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

}  // namespace kin::detail
