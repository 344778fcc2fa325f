// SPDX-License-Identifier: BSL-1.0
// byte_ring: a stream of bytes in shared memory from one writer to one reader. Carries the frames of a connection.
// Works on memory it is given and knows no processes, so it is tested between threads; who sleeps and who rings is
// its users' business (transport/ring_sender.hpp).
//
// It begins with one page and grows to larger areas, its levels: from position level_start[n] on the bytes lie in area
// n. An area is never left before all of it has been read, so nothing is ever copied or moved by growing.
//
// Invariant: tail and level are written by the writer alone, head by the reader alone, always multiples of 8; both only
// grow. Whatever another process writes here instead, every access stays within the areas: offsets are masked, and
// distances beyond an area's size are a decode_error.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace kin::detail {

/// The control block of one ring; zeroed memory is an empty ring.
struct ring_control {
  static constexpr unsigned levels = 4;
  static constexpr std::size_t apart = 128;  // two cache lines: processors fetch them in pairs

  // Written by the writer.
  alignas(apart) std::atomic<std::uint64_t> tail;
  std::atomic<std::uint32_t> level;
  std::atomic<std::uint32_t> writer_processor;  ///< + 1; 0: unknown
  std::atomic<std::uint64_t> level_start[levels];
  // Written by the reader.
  alignas(apart) std::atomic<std::uint64_t> head;
  std::atomic<std::uint32_t> reader_processor;
  // Set by a reader that will sleep, taken by the writer that rings it.
  alignas(apart) std::atomic<std::uint32_t> reader_bell;
  std::atomic<std::uint64_t> reader_rung_at;
  // Set by a writer that will sleep to the head it waits for, taken by the reader that rings it. 0: nobody sleeps.
  alignas(apart) std::atomic<std::uint64_t> writer_bell;
  std::atomic<std::uint64_t> writer_rung_at;
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && sizeof(ring_control) == 4 * ring_control::apart);

constexpr std::size_t ring_capacity(unsigned level) noexcept { return std::size_t{4096} << (2 * level); }
/// Where a level's area begins in the ring's data.
constexpr std::size_t ring_area(unsigned level) noexcept {
  return level == 0 ? 0 : ring_area(level - 1) + ring_capacity(level - 1);
}
inline constexpr std::size_t ring_data_size = ring_area(ring_control::levels);

constexpr std::uint64_t padded(std::uint64_t size) noexcept { return (size + 7) & ~std::uint64_t{7}; }

/// Where the positions of one level lie.
class ring_place {
 public:
  explicit ring_place(std::byte* data) noexcept : data_(data) { enter(0, 0); }
  void enter(unsigned level, std::uint64_t start) noexcept {
    level_ = level;
    start_ = start;
    area_ = data_ + ring_area(level);
  }
  [[nodiscard]] unsigned level() const noexcept { return level_; }
  [[nodiscard]] std::uint64_t start() const noexcept { return start_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return ring_capacity(level_); }
  /// The bytes from `position` on that lie in one piece, at most `size`.
  [[nodiscard]] std::span<std::byte> piece(std::uint64_t position, std::size_t size) const noexcept {
    const std::size_t offset = (position - start_) & (capacity() - 1);
    return {area_ + offset, std::min(size, capacity() - offset)};
  }
  [[nodiscard]] std::byte* word(std::uint64_t position) const noexcept {
    return area_ + ((position - start_) & (capacity() - 8));
  }

 private:
  std::byte* data_;
  std::byte* area_ = nullptr;
  std::uint64_t start_ = 0;
  unsigned level_ = 0;
};

/// What a frame begins with.
struct ring_words {
  std::uint64_t first, second;
};
inline constexpr std::size_t ring_words_size = 16;

class ring_writer {
 public:
  ring_writer(ring_control& control, std::byte* data) noexcept : control_(control), place_(data) {}

  /// Publishes the words and the bytes behind them, all at once; false, and nothing done, when there is not enough
  /// room. Throws decode_error for a head that no reader writes.
  bool try_put(ring_words words, std::span<const std::byte> bytes) {
    const std::uint64_t tail = begin();
    const std::uint64_t whole = ring_words_size + padded(bytes.size());
    if (known_room(tail) < whole && room(tail) < whole) return false;
    put_words(tail, words);
    put_bytes(tail + ring_words_size, bytes);
    control_.tail.store(tail + whole, std::memory_order_release);
    return true;
  }
  /// The same in pieces: the words first, then the bytes bit by bit. The caller has seen room() for each.
  void put_words(ring_words words) noexcept;
  void put_piece(std::span<const std::byte> bytes) noexcept;

  /// Bytes that can be put now.
  [[nodiscard]] std::size_t room() { return room(begin()); }
  [[nodiscard]] std::size_t capacity() noexcept {
    (void)begin();
    return place_.capacity();
  }
  /// The reader's position at which there will be `size` bytes of room.
  [[nodiscard]] std::uint64_t head_for(std::size_t size) noexcept;
  /// From now on bytes go to the next level, whose memory is there (`ready` says so when asked). False: there is none.
  template <class Ready>
  bool grow(Ready&& ready) {
    const std::uint64_t tail = begin();
    const unsigned next = place_.level() + 1;
    if (next == ring_control::levels || !ready(ring_area(next), ring_capacity(next))) return false;
    control_.level_start[next].store(tail, std::memory_order_relaxed);
    control_.level.store(next, std::memory_order_release);
    return true;
  }

 private:
  // Another holder of this end may have written meanwhile: nothing about this side is kept outside the control block.
  std::uint64_t begin() noexcept {
    if (const std::uint32_t level = control_.level.load(std::memory_order_relaxed); level != place_.level())
      enter(level);
    return control_.tail.load(std::memory_order_relaxed);
  }
  void enter(std::uint32_t level) noexcept;
  [[nodiscard]] std::size_t known_room(std::uint64_t tail) const noexcept {
    const std::uint64_t used = tail - std::max(known_head_, place_.start());
    return used > place_.capacity() ? 0 : place_.capacity() - used;
  }
  std::size_t room(std::uint64_t tail);
  void put_words(std::uint64_t at, ring_words words) noexcept {
    std::memcpy(place_.word(at), &words.first, 8);
    std::memcpy(place_.word(at + 8), &words.second, 8);
  }
  void put_bytes(std::uint64_t at, std::span<const std::byte> bytes) noexcept {
    if (bytes.empty()) return;
    const auto here = place_.piece(at, bytes.size());
    std::memcpy(here.data(), bytes.data(), here.size());
    if (here.size() < bytes.size())
      std::memcpy(place_.piece(at + here.size(), bytes.size()).data(), bytes.data() + here.size(),
                  bytes.size() - here.size());
  }

  ring_control& control_;
  ring_place place_;
  std::uint64_t known_head_ = 0;
};

class ring_reader {
 public:
  ring_reader(ring_control& control, std::byte* data) noexcept : control_(control), place_(data) {}

  /// Bytes that can be read now without changing the level; looks anew when fewer than `wanted` are known. Throws
  /// decode_error for a tail that no writer writes.
  [[nodiscard]] std::size_t readable(std::size_t wanted) {
    const std::uint64_t head = control_.head.load(std::memory_order_relaxed);
    const std::uint64_t known = known_tail_ - head;
    if (known >= wanted && known <= place_.capacity() && head < level_end_) [[likely]]
      return static_cast<std::size_t>(known);
    return look(head);
  }
  /// Whether `wanted` bytes are known to be there, without a look at the writer's line.
  [[nodiscard]] bool knows(std::size_t wanted) const noexcept {
    const std::uint64_t known = known_tail_ - control_.head.load(std::memory_order_relaxed);
    return known >= wanted && known <= place_.capacity();
  }
  /// The next 16 bytes; readable(16) has said that they are there.
  [[nodiscard]] ring_words words() const noexcept {
    const std::uint64_t head = control_.head.load(std::memory_order_relaxed);
    ring_words result{};
    std::memcpy(&result.first, place_.word(head), 8);
    std::memcpy(&result.second, place_.word(head + 8), 8);
    return result;
  }
  /// The bytes `skip` behind the next one that lie in one piece, at most `size`; readable() has said that they are
  /// there. The writer may be a liar who writes while they are read.
  [[nodiscard]] std::span<const std::byte> piece(std::size_t skip, std::size_t size) const noexcept {
    return place_.piece(control_.head.load(std::memory_order_relaxed) + skip, size);
  }
  /// Gives `size` bytes back to the writer; the new head.
  std::uint64_t advance(std::size_t size) noexcept {
    const std::uint64_t head = control_.head.load(std::memory_order_relaxed) + size;
    control_.head.store(head, std::memory_order_release);
    return head;
  }

 private:
  std::size_t look(std::uint64_t head);

  ring_control& control_;
  ring_place place_;
  std::uint64_t known_tail_ = 0;  // never beyond level_end_
  std::uint64_t level_end_ = ~std::uint64_t{0};
};

}  // namespace kin::detail
