// SPDX-License-Identifier: BSL-1.0
// item_ring: items as bytes in a chain of segments, first in first out. The inside of ring_queue, which holds the lock
// of the side it works on. Knows no waiting. One object serves all threads of a process, guarded by the same locks.
//
// Invariant: nothing read from shared memory is believed: an offset is checked before it is followed, every walk ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include <kin/queue/item_queue.hpp>

#include "memory/cpu.hpp"
#include "memory/family.hpp"
#include "memory/mutant.hpp"
#include "queue/ring_layout.hpp"

namespace kin::detail {

[[noreturn]] void throw_damaged_queue();

class item_ring {
 public:
  explicit item_ring(ring_header& header) noexcept : header_(header) {}

  /// Makes the first segment, before anybody else sees the queue. Throws os_error.
  void start();
  /// Gives all segments back to the arena: nobody else has ever seen the queue, so all are made here.
  void end() noexcept;

  // By anybody.
  [[nodiscard]] bool empty() const noexcept { return put_count() == got_count(); }
  [[nodiscard]] bool has_room() const noexcept {
    return header_.capacity == 0 || put_count() - got_count() < header_.capacity;
  }
  [[nodiscard]] std::uint64_t put_count() const noexcept { return header_.tail.load(std::memory_order_acquire) >> 1; }
  [[nodiscard]] std::uint64_t got_count() const noexcept { return header_.head.load(std::memory_order_acquire) >> 1; }

  // With the producers' lock.
  [[nodiscard]] bool full() noexcept {
    if (header_.capacity == 0) return false;
    const std::uint64_t count = header_.tail.load(std::memory_order_relaxed) >> 1;
    if (count - header_.seen_head.load(std::memory_order_acquire) < header_.capacity) return false;
    const std::uint64_t seen = got_count();
    header_.seen_head.store(seen, std::memory_order_release);
    return count - seen >= header_.capacity;
  }
  /// Puts an item behind the last. Throws os_error (no memory), decode_error; then nothing was put.
  void append(std::span<const std::byte> bytes);

  // With the consumers' lock.
  /// The first item's bytes; false: there is none. Throws decode_error, bad_alloc; then nothing was taken.
  bool take(item_target& into);

 private:
  // A segment as this process has it mapped.
  struct view {
    std::uint64_t place = ~std::uint64_t{0};  // none: damaged memory may say any other
    std::byte* base = nullptr;
    std::uint64_t size = 0;

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
  struct piece {
    std::uint64_t place;
    std::byte* base;
    std::uint64_t size;
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
    if (v.place != place) [[unlikely]]
      map(v, place);
  }
  static void map(view& v, std::uint64_t place);
  void append_across(std::span<const std::byte> bytes, std::uint64_t& word, tail_draft& draft);
  void take_across(item_target& into, head_draft& draft);
  void next_to_write(std::uint64_t& word, tail_draft& draft, std::uint64_t left);
  std::uint64_t new_segment(std::uint64_t left, std::uint64_t next);
  [[nodiscard]] std::uint64_t head_segment() const noexcept;
  void commit(std::uint64_t word, const tail_draft& draft, std::uint64_t count) noexcept {
    const std::uint64_t other = ~word & 1;
    if (mutant("ledger written after the commit")) header_.tail.store(count << 1 | other, std::memory_order_release);
    tail_ledger& to = header_.tails[other];
    to.segment.store(draft.segment, std::memory_order_relaxed);
    to.offset.store(draft.offset, std::memory_order_relaxed);
    to.oldest.store(draft.oldest, std::memory_order_relaxed);
    header_.tail.store(count << 1 | other, std::memory_order_release);
  }

  ring_header& header_;
  view write_;               // the tail's segment
  view read_;                // the head's
  std::vector<piece> made_;  // by this process
};

inline void item_ring::append(std::span<const std::byte> bytes) {
  std::uint64_t word = header_.tail.load(std::memory_order_acquire);
  const tail_ledger& now = header_.tails[word & 1];
  tail_draft draft{now.segment.load(std::memory_order_relaxed), now.offset.load(std::memory_order_relaxed),
                   now.oldest.load(std::memory_order_relaxed)};
  look_at(write_, draft.segment);
  if (!write_.has(draft.offset)) throw_damaged_queue();
  const std::uint64_t needed = sizeof(std::uint64_t) + padded(bytes.size());
  if (mutant("committed before it is written")) {
    commit(word, {draft.segment, draft.offset + needed, draft.oldest}, (word >> 1) + 1);
  }
  if (needed <= write_.size - draft.offset) [[likely]] {
    write_.set_word(draft.offset, bytes.size());
    if (!bytes.empty()) std::memcpy(write_.base + draft.offset + sizeof(std::uint64_t), bytes.data(), bytes.size());
    draft.offset += needed;
    write_.come_to_write(draft.offset + ahead, needed);
  } else {
    append_across(bytes, word, draft);
  }
  if (!mutant("committed before it is written")) commit(word, draft, (word >> 1) + 1);
}

inline bool item_ring::take(item_target& into) {
  const std::uint64_t word = header_.head.load(std::memory_order_acquire);
  const std::uint64_t count = word >> 1;
  std::uint64_t known = header_.seen_tail.load(std::memory_order_acquire) - count;
  if (known == 0) {
    const std::uint64_t seen = put_count();
    header_.seen_tail.store(seen, std::memory_order_release);
    if (seen == count) return false;
    known = seen - count;
  }
  const head_ledger& now = header_.heads[word & 1];
  head_draft draft{now.segment.load(std::memory_order_relaxed), now.offset.load(std::memory_order_relaxed)};
  look_at(read_, draft.segment);
  if (!read_.has(draft.offset)) throw_damaged_queue();
  const std::uint64_t other = ~word & 1;
  if (mutant("taken before it is copied")) header_.head.store((count + 1) << 1 | (word & 1), std::memory_order_release);
  const std::uint64_t left = read_.size - draft.offset;
  const std::uint64_t size = left != 0 ? read_.word(draft.offset) : jump;
  if (left != 0 && size <= left - sizeof(std::uint64_t)) [[likely]] {
    const std::byte* from = read_.base + draft.offset + sizeof(std::uint64_t);
    const std::uint64_t taken = sizeof(std::uint64_t) + padded(size);
    // Not where the producer may still be writing.
    if (known > ahead / taken) read_.come_to_read(draft.offset + ahead, taken);
    into.begin(size);
    into.add(from, size);
    draft.offset += taken;
  } else {
    take_across(into, draft);
  }
  // With release, for head_segment(): who sees these sees the `head` before them.
  header_.heads[other].segment.store(draft.segment, std::memory_order_release);
  header_.heads[other].offset.store(draft.offset, std::memory_order_relaxed);
  header_.head.store((count + 1) << 1 | other, std::memory_order_release);
  return true;
}

}  // namespace kin::detail
