// SPDX-License-Identifier: BSL-1.0
// piece_store: the pieces of the arena that this process makes its objects in: what is left of its chunks, what is free
// again, and what the root will give back. Used by family, and guarded by its lock.
//
// Invariant: of what the root says came back only that is taken which was left to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <unordered_set>
#include <vector>

#include "memory/supervisor.hpp"

namespace kin::detail {

class piece_store {
 public:
  /// The root, however this process reaches it. All may throw os_error.
  class source {
   public:
    virtual std::byte* at(std::uint64_t offset) = 0;
    /// A chunk for objects of `stride` bytes each, or some pieces that have come back.
    virtual family_answer chunk(std::size_t size, std::size_t stride) = 0;
    /// What has come back, where asking costs nothing; else none.
    virtual std::size_t take_freed(std::size_t stride, std::span<std::uint64_t> into) noexcept = 0;

   protected:
    ~source() = default;
  };

  /// A zeroed piece; `size` is a multiple of granule.
  std::uint64_t allocate(std::size_t size, source& root);
  /// Zeroed again.
  void release(std::uint64_t offset, std::size_t size) noexcept;
  void leave_to_root(std::uint64_t offset) noexcept;
  /// The root has given this place to somebody, so it does not come back.
  void given_away(std::uint64_t offset) noexcept { left_to_root_.erase(offset); }
  /// In a forked copy: all of it is its parent's.
  void forget() noexcept;

 private:
  struct rest {
    std::uint64_t next = 0, end = 0;
  };
  bool take_back(std::size_t stride, std::span<const std::uint64_t> pieces, source& root);
  std::optional<std::uint64_t> new_chunk(std::size_t size, std::size_t stride, source& root);

  std::map<std::size_t, std::vector<std::uint64_t>> free_;  // by granules
  std::map<std::size_t, rest> chunks_;                      // by granules: objects of one size lie together
  std::unordered_set<std::uint64_t> left_to_root_;
};

}  // namespace kin::detail
