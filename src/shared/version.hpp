// SPDX-License-Identifier: BSL-1.0
// version: one state of a shared list or dict, in one piece of memory: a head, an index (dict), entries in order, and a
// heap of blocks that keys and values lie in. Changed in place by whoever holds the container's lock; what does not fit
// is written anew, elsewhere. Knows no processes, so it is tested alone.
//
// Invariant: whatever the store at which its writer stops for ever, the entries below counts.used are whole, each with
// its old value or its new one. Each change is prepared where nobody looks, and made by one store of one word. Only
// counts.live may be wrong then (recount()), and blocks be lost until the next writing anew. Nothing read here is
// trusted: a length or place that cannot be throws decode_error.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <kin/shared/shared_container.hpp>

namespace kin::detail {

class version {
 public:
  using word = std::atomic<std::uint64_t>;
  static constexpr std::size_t npos = std::numeric_limits<std::size_t>::max();

  /// What [base, base + size) says it is. Throws decode_error.
  version(std::byte* base, std::size_t size, container_form form);
  /// An empty one with room for so many entries; size is at least size_for(entries, heap).
  static version begin(std::byte* base, std::size_t size, container_form form, std::size_t entries);
  /// False: something else has been begun in the same place since.
  [[nodiscard]] bool is_still_this() const noexcept {
    return head().entries.load(std::memory_order_relaxed) == entries_;
  }
  static std::size_t size_for(container_form form, std::size_t entries, std::size_t heap_bytes) noexcept;
  /// Of the heap, for a block of n bytes.
  static constexpr std::size_t block_size(std::size_t n) noexcept { return 8 + (n + 7) / 8 * 8; }

  [[nodiscard]] std::size_t used() const noexcept;
  [[nodiscard]] std::size_t live() const noexcept {
    return std::min<std::size_t>(head().counts.load(std::memory_order_relaxed) & 0xffffffff, entries_);
  }
  [[nodiscard]] bool is_live(std::size_t entry) const noexcept;
  [[nodiscard]] std::span<const std::byte> key(std::size_t entry) const;
  [[nodiscard]] std::span<const std::byte> value(std::size_t entry) const;
  /// What its living entries need in a version without gaps. Throws decode_error where that is more than it has: blocks
  /// that seem to overlap could make any sum, which would be allocated.
  struct need {
    std::size_t entries, heap_bytes;
  };
  [[nodiscard]] need needed() const;
  /// All of a list; throws for the same reason.
  [[nodiscard]] std::vector<std::span<const std::byte>> values() const;

  // Dict.
  [[nodiscard]] std::size_t find(std::uint64_t hash, std::span<const std::byte> key) const;
  /// A key that is not there. False: no room, nothing has changed.
  bool insert(std::uint64_t hash, std::span<const std::byte> key, std::span<const std::byte> value);
  void erase(std::size_t entry);
  [[nodiscard]] std::uint64_t hash(std::size_t entry) const noexcept {
    return words(entry)[hash_word].load(std::memory_order_relaxed);
  }
  /// After its writer has died.
  void recount() noexcept;

  // List.
  /// Writes an entry that is not used yet; use() makes them so.
  bool prepare(std::size_t entry, std::span<const std::byte> value);
  void use(std::size_t entries) noexcept;

  /// False: no room, nothing has changed. Throws decode_error for an entry that it has not.
  bool set(std::size_t entry, std::span<const std::byte> value);

 private:
  struct head_words {
    word counts;  // used << 32 | live
    word heap_end;
    word entries, slots;  // how many there is room for; never changed
  };
  static constexpr std::size_t head_size = 64;
  static constexpr int value_word = 0, spare_word = 1, key_word = 2, hash_word = 3;

  [[nodiscard]] head_words& head() const noexcept { return *reinterpret_cast<head_words*>(base_); }
  [[nodiscard]] word* index() const noexcept { return reinterpret_cast<word*>(base_ + head_size); }
  [[nodiscard]] word* words(std::size_t entry) const noexcept {
    return reinterpret_cast<word*>(base_ + entries_at_) + entry * form_.words;
  }
  [[nodiscard]] std::span<const std::byte> block(std::uint64_t w) const;
  void add_block(std::size_t& sum, std::size_t n) const;
  [[nodiscard]] std::size_t room_at(std::size_t offset) const noexcept;
  std::size_t allocate(std::size_t n) noexcept;
  [[nodiscard]] bool has_room(std::size_t heap_bytes, std::size_t end) const noexcept;
  bool put(word* entry, std::span<const std::byte> value);
  [[nodiscard]] std::size_t free_slot(std::uint64_t hash, std::size_t used) const noexcept;

  std::byte* base_;
  std::size_t size_;
  container_form form_;
  std::size_t entries_ = 0, slots_ = 0, entries_at_ = 0, heap_at_ = 0;
};

[[noreturn]] void throw_damaged_container();
/// Of a key's bytes.
std::uint64_t hash_of(std::span<const std::byte> bytes) noexcept;

}  // namespace kin::detail
