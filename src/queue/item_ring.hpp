// SPDX-License-Identifier: BSL-1.0
// item_ring: items as bytes in a chain of segments, first in first out. The inside of ring_queue, which holds the lock
// of the side it works on. Knows no waiting. One object serves all threads of a process, guarded by the same locks.
//
// Invariant: nothing read from shared memory is believed: an offset is checked before it is followed, every walk ends.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include <kin/memory/object_ref.hpp>
#include <kin/queue/item_queue.hpp>

#include "memory/cpu.hpp"
#include "memory/family.hpp"
#include "memory/mutant.hpp"
#include "queue/in_step.hpp"
#include "queue/ring_layout.hpp"

namespace kin::detail {

[[noreturn]] void throw_damaged_queue();

class item_ring {
 public:
  item_ring(object_ref queue, ring_header& header) noexcept : queue_(queue), header_(header) {}

  /// Makes the first segment, before anybody else sees the queue. Throws os_error. Segments are parts of the queue's
  /// object, and go with it.
  void start();

  // By anybody.
  [[nodiscard]] bool empty() const noexcept { return put_count() == got_count(); }
  [[nodiscard]] bool has_room() const noexcept {
    return header_.capacity == 0 || put_count() - got_count() < header_.capacity;
  }
  [[nodiscard]] std::uint64_t put_count() const noexcept { return header_.tail.load(std::memory_order_acquire) >> 1; }
  [[nodiscard]] std::uint64_t got_count() const noexcept { return header_.head.load(std::memory_order_acquire) >> 1; }

  // By somebody who is about to ask for a lock, and has no lock yet (see in_step.hpp): whether it is to let the other
  // side get ahead first.
  [[nodiscard]] bool behind_consumers() noexcept {
    items_found_.interrupted();  // this process puts some of them itself
    return room_found_.little() && !has_known_room();
  }
  [[nodiscard]] bool behind_producers() noexcept {
    room_found_.interrupted();
    return items_found_.little() &&
           header_.head.load(std::memory_order_relaxed) >> 1 == header_.seen_tail.load(std::memory_order_relaxed);
  }
  void keep_behind_consumers() noexcept {
    if (behind_consumers()) room_found_.let_others_ahead();
  }
  void keep_behind_producers() noexcept {
    if (behind_producers()) items_found_.let_others_ahead();
  }

  // With the producers' lock.
  [[nodiscard]] bool full() noexcept {
    if (header_.capacity == 0) return false;
    const std::uint64_t count = header_.tail.load(std::memory_order_relaxed) >> 1;
    if (count - header_.seen_head.load(std::memory_order_acquire) < header_.capacity) return false;
    const std::uint64_t seen = got_count();
    header_.seen_head.store(seen, std::memory_order_release);
    const std::uint64_t room = header_.capacity - std::min(count - seen, header_.capacity);
    constexpr std::uint64_t many = 64;
    if (header_.capacity >= many) room_found_.note(room);
    return room == 0;
  }
  /// A hint: whether full() would say no without a look at the other side.
  [[nodiscard]] bool has_known_room() const noexcept {
    return header_.capacity == 0 ||
           (header_.tail.load(std::memory_order_relaxed) >> 1) - header_.seen_head.load(std::memory_order_acquire) <
               header_.capacity;
  }
  /// Puts an item behind the last. Throws os_error (no memory), decode_error; then nothing was put.
  void append(std::span<const std::byte> bytes) {
    if (!append_here(bytes)) append_elsewhere(bytes);
  }
  /// The same for a small item that fits in behind the last. False: nothing was put.
  [[gnu::always_inline]] bool append_here(std::span<const std::byte> bytes) noexcept;

  // With the consumers' lock.
  /// The first item's bytes; false: there is none. Throws decode_error, bad_alloc; then nothing was taken.
  bool take(item_target& into);
  /// The same for a small item of exactly this size, where one is known of and lies behind the one before.
  [[gnu::always_inline]] bool take_here(std::span<std::byte> into) noexcept;

 private:
  // A segment as this process has it mapped.
  struct view {
    static constexpr std::uint64_t none = ~std::uint64_t{0};
    std::uint64_t place = none;
    std::byte* base = nullptr;
    std::uint64_t size = segment_begin;  // no room at all: what is not mapped is not touched

    [[nodiscard]] bool has(std::uint64_t offset) const noexcept {
      return offset - segment_begin <= size - segment_begin && offset % 8 == 0;
    }
    [[nodiscard]] std::atomic<std::uint64_t>& next() const noexcept { return reinterpret_cast<segment*>(base)->next; }
    [[nodiscard]] std::uint64_t word(std::uint64_t offset) const noexcept {
      return std::atomic_ref(*reinterpret_cast<std::uint64_t*>(base + offset)).load(std::memory_order_relaxed);
    }
    // Lines between `offset` and `offset + n`, soon to be used. Nothing for large items: their lines come in order.
    void come_to_write(std::uint64_t offset, std::uint64_t n) const noexcept {
      if (n > ahead || offset + n > size) return;
      for (std::uint64_t at = 0; at < n; at += 64) cpu::prefetch_to_write(base + offset + at);
    }
    void come_to_read(std::uint64_t offset, std::uint64_t n) const noexcept {
      if (n > ahead || offset + n > size) return;
      for (std::uint64_t at = 0; at < n; at += 64) cpu::prefetch_to_read(base + offset + at);
    }
    void set_word(std::uint64_t offset, std::uint64_t value) const noexcept {
      std::atomic_ref(*reinterpret_cast<std::uint64_t*>(base + offset)).store(value, std::memory_order_relaxed);
    }
  };
  struct tail_draft {
    std::uint64_t segment, offset, oldest;
  };
  struct head_draft {
    std::uint64_t segment, offset;
  };

  // The lines of an item go from core to core, there and back, while the items before them are dealt with.
  static constexpr std::uint64_t ahead = 512;
  static constexpr std::uint64_t padded(std::uint64_t n) noexcept { return (n + 7) & ~std::uint64_t{7}; }
  static void look_at(view& v, std::uint64_t place) {
    if (v.place != place || place == view::none) [[unlikely]]
      map(v, place);  // damaged memory may say any place, none included
  }
  static void map(view& v, std::uint64_t place);
  void append_elsewhere(std::span<const std::byte> bytes);
  void append_across(std::span<const std::byte> bytes, std::uint64_t word);
  head_draft take_across(item_target& into, head_draft draft);
  void next_to_write(std::uint64_t& word, tail_draft& draft, std::uint64_t left);
  std::uint64_t new_segment(std::uint64_t left, std::uint64_t next);
  [[nodiscard]] std::uint64_t head_segment() const noexcept;
  // These seldom change, and each store has to be held until its turn comes.
  static void set(std::atomic<std::uint64_t>& place, std::uint64_t to) noexcept {
    if (place.load(std::memory_order_relaxed) != to) place.store(to, std::memory_order_release);
  }
  void commit(std::uint64_t word, const tail_draft& draft, std::uint64_t count) noexcept {
    const std::uint64_t other = ~word & 1;
    if (mutant("ledger written after the commit")) header_.tail.store(count << 1 | other, std::memory_order_release);
    tail_ledger& to = header_.tails[other];
    set(to.segment, draft.segment);
    to.offset.store(draft.offset, std::memory_order_relaxed);
    set(to.oldest, draft.oldest);
    header_.tail.store(count << 1 | other, std::memory_order_release);
  }

  void commit(std::uint64_t word, const head_draft& draft) noexcept {
    const std::uint64_t other = ~word & 1;
    head_ledger& to = header_.heads[other];
    // With release, for head_segment(): who sees these sees the `head` before them.
    set(to.segment, draft.segment);
    to.offset.store(draft.offset, std::memory_order_relaxed);
    header_.head.store(((word >> 1) + 1) << 1 | other, std::memory_order_release);
  }

  const object_ref queue_;
  ring_header& header_;
  view write_;  // the tail's segment
  view read_;   // the head's
  in_step items_found_, room_found_;
};

inline bool item_ring::append_here(std::span<const std::byte> bytes) noexcept {
  const std::uint64_t word = header_.tail.load(std::memory_order_relaxed);
  const tail_ledger& now = header_.tails[word & 1];
  const std::uint64_t place = now.segment.load(std::memory_order_relaxed);
  const std::uint64_t offset = now.offset.load(std::memory_order_relaxed);
  if (write_.place != place || !write_.has(offset)) return false;
  const std::uint64_t needed = sizeof(std::uint64_t) + padded(bytes.size());
  if (bytes.size() > small_item || needed > write_.size - offset) return false;
  const tail_draft draft{place, offset + needed, now.oldest.load(std::memory_order_relaxed)};
  if (mutant("committed before it is written")) commit(word, draft, (word >> 1) + 1);
  write_.set_word(offset, bytes.size());
  copy_small(write_.base + offset + sizeof(std::uint64_t), bytes.data(), bytes.size());
  write_.come_to_write(offset + needed + ahead, needed);
  if (!mutant("committed before it is written")) commit(word, draft, (word >> 1) + 1);
  return true;
}

inline bool item_ring::take_here(std::span<std::byte> into) noexcept {
  const std::uint64_t word = header_.head.load(std::memory_order_relaxed);
  const std::uint64_t known = header_.seen_tail.load(std::memory_order_acquire) - (word >> 1);
  if (known == 0) return false;
  const head_ledger& now = header_.heads[word & 1];
  const std::uint64_t place = now.segment.load(std::memory_order_relaxed);
  const std::uint64_t offset = now.offset.load(std::memory_order_relaxed);
  if (read_.place != place || !read_.has(offset) || offset == read_.size) return false;
  const std::uint64_t size = read_.word(offset);
  if (size != into.size() || size > small_item || size > read_.size - offset - sizeof(std::uint64_t)) return false;
  if (mutant("taken before it is copied"))
    header_.head.store(((word >> 1) + 1) << 1 | (word & 1), std::memory_order_release);
  const std::uint64_t taken = sizeof(std::uint64_t) + padded(size);
  // Not where the producer may still be writing.
  if (known * taken > ahead + taken) read_.come_to_read(offset + ahead, taken);
  copy_small(into.data(), read_.base + offset + sizeof(std::uint64_t), size);
  commit(word, {place, offset + taken});
  return true;
}

}  // namespace kin::detail
