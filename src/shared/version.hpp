// SPDX-License-Identifier: BSL-1.0
// version: one state of a shared list or dict, in one piece of memory: a head, an index (dict), entries in order, and a
// heap of blocks that keys and values lie in. Changed in place by whoever holds the container's lock; what does not fit
// is written anew, elsewhere. Knows no processes, so it is tested alone.
//
// Invariant: whatever the store at which its writer stops for ever, the entries below counts.used are whole, each with
// its old value or its new one. Each change is prepared where nobody looks, and made by one store of one word. What
// repair() has to do then: count the living, and write a value to its entry once more that was prepared in `pending`.
// Blocks may be lost until the next writing anew. Nothing read here is trusted: a length or place that cannot be throws
// decode_error.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include <kin/shared/shared_container.hpp>

#include "memory/mutant.hpp"

namespace kin::detail {

[[noreturn]] void throw_damaged_container();
/// A key or value of at most 8 bytes in a word, the rest of it 0.
inline std::uint64_t inline_word(std::span<const std::byte> bytes) noexcept {
  std::uint64_t w = 0;
  if (bytes.size() == 8) [[likely]]
    std::memcpy(&w, bytes.data(), 8);
  else if (bytes.size() == 4)
    std::memcpy(&w, bytes.data(), 4);
  else
    std::memcpy(&w, bytes.data(), std::min(bytes.size(), sizeof w));
  return w;
}
/// Of a key's bytes; and of a key that lies in its word.
std::uint64_t hash_of(std::span<const std::byte> bytes) noexcept;
inline std::uint64_t mixed(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using wide = unsigned __int128;
  const wide product = wide{a} * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}
inline std::uint64_t hash_of(std::uint64_t word) noexcept {
  return mixed(word ^ 0xe7037ed1a0b428db, 0x8ebc6af09c88c6e3);
}

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

  [[nodiscard]] std::size_t used() const noexcept {
    return std::min<std::size_t>(head().counts.load(std::memory_order_relaxed) >> 32, entries_);
  }
  [[nodiscard]] std::size_t live() const noexcept {
    return std::min<std::size_t>(head().counts.load(std::memory_order_relaxed) & 0xffffffff, entries_);
  }
  [[nodiscard]] bool is_live(std::size_t entry) const noexcept {
    return !form_.is_dict || words(entry)[live_word].load(std::memory_order_relaxed) != 0;
  }
  [[nodiscard]] std::span<const std::byte> key(std::size_t entry) const;
  [[nodiscard]] std::span<const std::byte> value(std::size_t entry) const {
    // Whoever looked at the counts before may have seen damaged ones, or others than there are now.
    if (entry >= entries_) throw_damaged_container();
    word* const w = words(entry);
    if (form_.value_words == 0) return block(w[live_word].load(std::memory_order_relaxed));
    return std::as_bytes(std::span(value_of(w), form_.value_words));
  }
  /// What its living entries need in a version without gaps. Throws decode_error where that is more than it has: blocks
  /// that seem to overlap could make any sum, which would be allocated.
  struct need {
    std::size_t entries, heap_bytes;
  };
  [[nodiscard]] need needed() const;
  /// All of a list; throws for the same reason.
  [[nodiscard]] std::vector<std::span<const std::byte>> values() const;

  // Dict.
  [[nodiscard]] std::uint64_t hash_of_key(std::span<const std::byte> key) const noexcept {
    return form_.inline_keys ? hash_of(inline_word(key)) : hash_of(key);
  }
  [[nodiscard]] std::size_t find(std::uint64_t hash, std::span<const std::byte> key) const {
    return form_.inline_keys ? find_inline(hash, inline_word(key)) : find_block(hash, key);
  }
  /// find() with value() or set() where keys and values lie in entries. Without calls and short, so that a processor
  /// that waits for the memory of one item sees beyond it to the next operation's. False: the key is not there.
  [[nodiscard, gnu::always_inline]] bool read(std::uint64_t key, std::span<std::byte> to) const noexcept {
    const std::size_t entry = find_inline(hash_of(key), key);
    if (entry == npos) return false;
    copy_short(to.data(), reinterpret_cast<const std::byte*>(value_of(words(entry))), to.size());
    return true;
  }
  [[nodiscard, gnu::always_inline]] bool overwrite(std::uint64_t key, std::span<const std::byte> value) noexcept {
    const std::size_t entry = find_inline(hash_of(key), key);
    if (entry == npos) return false;
    put_inline(words(entry), value);
    return true;
  }
  /// The last entry that is alive, or npos. Notes how many after it are not, so that nobody looks at those again.
  [[nodiscard]] std::size_t last_live() const noexcept;
  /// A key that is not there. False: no room, nothing has changed.
  bool insert(std::uint64_t hash, std::span<const std::byte> key, std::span<const std::byte> value);
  void erase(std::size_t entry);
  [[nodiscard]] std::uint64_t hash(std::size_t entry) const noexcept {
    const word* const w = words(entry);
    return form_.inline_keys ? hash_of(w[key_word].load(std::memory_order_relaxed))
                             : w[hash_word].load(std::memory_order_relaxed);
  }
  /// After its writer has died.
  void repair() noexcept;

  // List.
  /// Writes an entry that is not used yet; use() makes them so.
  bool prepare(std::size_t entry, std::span<const std::byte> value);
  void use(std::size_t entries) noexcept;

  /// False: no room, nothing has changed. Throws decode_error for an entry that it has not.
  bool set(std::size_t entry, std::span<const std::byte> value) {
    if (entry >= entries_) throw_damaged_container();
    return put(words(entry), value);
  }

 private:
  struct head_words {
    word counts;  // used << 32 | live
    word heap_end;
    word entries, slots;  // how many there is room for; never changed
    word pending;         // 1 + how many words before the entry that a longer value is being written to; 0: none
    word dead;            // first << 32 | end: of the entries between them none is alive, and none ever will be
    word reserved[2];
  };
  // live: 0 where the item of a dict has been erased; of values in blocks, the block; of a list, the value. There is a
  // hash where keys lie in blocks. Last comes the spare block of values in blocks, or the value of a dict.
  static constexpr int live_word = 0, key_word = 1, hash_word = 2;
  // Of a form with longer values in its entries, with room for one that is being written.
  static constexpr std::size_t head_size(container_form form) noexcept {
    return sizeof(head_words) + (form.value_words > 1 ? container_form::most_inline : 0);
  }

  [[nodiscard]] head_words& head() const noexcept { return *reinterpret_cast<head_words*>(base_); }
  [[nodiscard]] word* index() const noexcept { return reinterpret_cast<word*>(base_ + index_at_); }
  [[nodiscard]] word* words(std::size_t entry) const noexcept {
    return reinterpret_cast<word*>(base_ + entries_at_) + entry * form_.words;
  }
  static constexpr std::size_t longest = 0xffffffff;  // of a block, and entries in a version
  static constexpr std::size_t offset_of(std::uint64_t w) noexcept { return static_cast<std::size_t>(w >> 32) * 8; }
  [[nodiscard]] std::span<const std::byte> block(std::uint64_t w) const {
    const std::size_t offset = offset_of(w), n = w & longest;
    if (offset < heap_at_ || offset > size_ || n > size_ - offset) throw_damaged_container();
    return {base_ + offset, n};
  }
  // The entry that is alive and of which `is_it` says so.
  template <class Is>
  [[nodiscard, gnu::always_inline]] std::size_t probe(std::uint64_t hash, Is is_it) const {
    const std::uint64_t mark = hash & ~longest;
    const std::size_t known = used();
    for (std::size_t at = hash, left = slots_; left != 0; --left, ++at) {
      const std::uint64_t slot = index()[at & (slots_ - 1)].load(std::memory_order_relaxed);
      // What is left of a slot with this mark is 1 + the entry. One that is not used yet is what a killed writer has
      // left.
      const std::size_t entry = (slot ^ mark) - 1;
      if (entry < known && is_live(entry) && is_it(words(entry))) return entry;
      if (slot == 0) break;
    }
    return npos;
  }
  [[nodiscard, gnu::always_inline]] std::size_t find_inline(std::uint64_t hash, std::uint64_t key) const noexcept {
    return probe(hash, [key](const word* entry) { return entry[key_word].load(std::memory_order_relaxed) == key; });
  }
  // As memcpy, to which a call would be longer.
  [[gnu::always_inline]] static void copy_short(std::byte* to, const std::byte* from, std::size_t n) noexcept {
    const auto ends = [=](auto size) {
      std::byte first[size], last[size];
      std::memcpy(first, from, size);
      std::memcpy(last, from + n - size, size);
      std::memcpy(to, first, size);
      std::memcpy(to + n - size, last, size);
    };
    if (n > 32) {
      ends(std::integral_constant<std::size_t, 32>());
    } else if (n > 16) {
      ends(std::integral_constant<std::size_t, 16>());
    } else if (n >= 8) {
      ends(std::integral_constant<std::size_t, 8>());
    } else {
      for (std::size_t i = 0; i < n; ++i) to[i] = from[i];
    }
  }
  // Of an entry that its value lies in.
  [[nodiscard]] word* value_of(word* entry) const noexcept {
    return form_.is_dict ? entry + form_.words - form_.value_words : entry;
  }
  [[nodiscard]] std::byte* pending_value() const noexcept { return base_ + sizeof(head_words); }
  // A longer one cannot be changed by one store. It is written beside first, and whoever takes the lock over from a
  // dead writer writes it again. A killed process has made all stores up to some instruction, so the compiler alone
  // must keep their order.
  [[gnu::always_inline]] void put_inline(word* entry, std::span<const std::byte> value) noexcept {
    word* const to = value_of(entry);
    if (form_.value_words == 1) return to->store(inline_word(value), std::memory_order_release);
    const std::uint64_t place = static_cast<std::uint64_t>(entry - words(0)) + 1;
    if (mutant("pending before its value")) head().pending.store(place, std::memory_order_release);
    copy_short(pending_value(), value.data(), value.size());
    if (!mutant("pending never said")) head().pending.store(place, std::memory_order_release);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    copy_short(reinterpret_cast<std::byte*>(to), value.data(), value.size());
    head().pending.store(0, std::memory_order_release);
  }
  [[nodiscard]] std::size_t find_block(std::uint64_t hash, std::span<const std::byte> key) const;
  void add_block(std::size_t& sum, std::size_t n) const;
  [[nodiscard]] std::size_t room_at(std::size_t offset) const noexcept;
  std::size_t allocate(std::size_t n) noexcept;
  [[nodiscard]] bool has_room(std::size_t heap_bytes, std::size_t end) const noexcept;
  bool put(word* entry, std::span<const std::byte> value);
  [[nodiscard]] std::size_t free_slot(std::uint64_t hash, std::size_t used) const noexcept;

  std::byte* base_;
  std::size_t size_;
  container_form form_;
  std::size_t entries_ = 0, slots_ = 0, index_at_ = 0, entries_at_ = 0, heap_at_ = 0;
};

}  // namespace kin::detail
