// SPDX-License-Identifier: BSL-1.0
// arena: the root's book of the memory file that all small objects of the family lie in: which chunks there are, whose,
// and where objects of which size begin. Guarded by the supervisor's lock.
//
// Invariant: what lies where is known from here alone, never from what the shared memory says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include <kin/os/unique_fd.hpp>

#include "memory/family_table.hpp"
#include "memory/hold_list.hpp"
#include "memory/object_header.hpp"
#include "memory/span_store.hpp"
#include "os/memory_file.hpp"

namespace kin::detail {

class arena {
 public:
  static constexpr std::size_t window_size = std::size_t{1} << 20;
  static constexpr std::size_t chunk_unit = family_table::unit_size;
  static constexpr std::size_t windows = family_table::arena_units * chunk_unit / window_size;

  /// Writes to the table what everybody must know of the arena. Throws os_error.
  arena(int table_file, family_table& table);

  [[nodiscard]] int file() const noexcept { return file_.get(); }
  [[nodiscard]] std::uint64_t end() const noexcept { return end_; }
  /// Mapped here, for ever.
  std::byte* window(std::size_t number);

  /// A zeroed piece of one window, for objects of `stride` bytes each, that `member` will make; with an owner it is
  /// part of that object, and goes with it. Throws os_error (ENOSPC, EFBIG, ENOMEM).
  std::uint64_t allocate(std::size_t size, std::size_t stride, std::uint32_t member, span_owner owner = {});
  /// Places of such objects in this member's chunks that are free again, as many as there is room for. Beyond the
  /// header they are as their last user left them.
  std::size_t take_freed(std::uint32_t member, std::size_t stride, std::span<std::uint64_t> into) noexcept;

  /// The living object that a word names; null: there is none (any more).
  [[nodiscard]] object_header* find(hold_word word);
  /// Nobody has a handle of it: its place is free, and so are its parts.
  void free(span_owner object);
  /// The member has ended. What others use of its chunks stays.
  void orphan(std::uint32_t member);
  /// Gives chunks of dead members back that have no object in them, but for those with a place that one of these names.
  void tidy(const std::vector<hold_word>& held);
  /// Whether there may be such.
  [[nodiscard]] bool untidy() const noexcept { return !untidy_.empty(); }

  /// visit(header, stride) for each object.
  template <class Visit>
  void each(Visit visit) {
    for (const auto& [offset, c] : chunks_) each_in(offset, c, visit);
  }
  /// In a forked copy of the root.
  void abandon() noexcept { file_.reset(); }

 private:
  struct chunk {
    std::size_t size, stride;
    std::uint32_t member;  // 0: its owner is dead
    span_owner owner;      // of a part of an object; offset and serial 0: none
  };
  using place = std::map<std::uint64_t, chunk>::iterator;

  std::byte* at(std::uint64_t offset) { return window(offset / window_size) + offset % window_size; }
  place chunk_of(std::uint64_t offset);
  void give_back(place which);
  void add_free(std::uint64_t offset, std::size_t size, bool has_memory);
  void grow(std::size_t by);
  void note_stride(std::uint64_t offset, std::size_t stride) noexcept;
  template <class Visit>
  void each_in(std::uint64_t offset, const chunk& c, Visit& visit) {
    std::byte* begin = at(offset);
    // Never into an object's inside: its stride is what the root knows, not what the memory says.
    for (std::size_t from = 0; from + c.stride <= c.size; from += c.stride) {
      auto& header = *reinterpret_cast<object_header*>(begin + from);
      if (header.kind.load(std::memory_order_acquire) != 0) visit(header, c.stride);
    }
  }

  const int table_file_;
  family_table& table_;
  unique_fd file_;
  std::vector<os::mapping> windows_;
  std::uint64_t end_ = 0;  // of the used part
  std::size_t table_end_;
  std::map<std::uint64_t, chunk> chunks_;  // by offset
  struct free_chunk {
    std::uint64_t offset;
    std::size_t size;
    bool has_memory;  // or its pages were given back
  };
  std::vector<free_chunk> free_chunks_;
  std::size_t kept_free_ = 0;                          // bytes of those that have memory
  std::multimap<std::uint64_t, std::uint64_t> parts_;  // offset of the owner → of the chunk
  std::map<std::uint32_t, std::map<std::size_t, std::vector<std::uint64_t>>> freed_;  // by member and stride
  std::set<std::uint64_t> untidy_;  // chunks of the dead in which something has become free
};

}  // namespace kin::detail
