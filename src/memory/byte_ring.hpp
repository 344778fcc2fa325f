// SPDX-License-Identifier: BSL-1.0
// byte_ring: a stream of frames in shared memory from one writer to one reader. Carries the messages of a connection.
// Works on memory it is given and knows no processes, so it is tested between threads; who sleeps and who rings is
// its users' business (transport/ring_sender.hpp). It begins with one page and grows to larger areas, its levels: an
// area is never left before all of it has been read, so nothing is ever copied or moved by growing.
//
// Invariant: a frame is there when its first word is (memory/ring_frame.hpp), and the word behind the last frame is 0.
// A writer that has died may have published one frame beyond tail. Whatever another process writes here, every access
// stays within the areas: offsets are masked; sizes and distances beyond an area's size are a decode_error.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "memory/bulk_copy.hpp"
#include "memory/contest.hpp"
#include "memory/cpu.hpp"
#include "memory/mutant.hpp"
#include "memory/ring_frame.hpp"

namespace kin::detail {

/// Whether a reader gives lines away that it has read.
extern contest lines_away;

/// The control block of one ring; zeroed memory is an empty ring.
struct ring_control {
  static constexpr unsigned levels = 4;
  static constexpr std::size_t apart = 128;  // two cache lines: processors fetch them in pairs

  // Behind the last frame written. Read by nobody else while the writer is at work.
  alignas(apart) std::atomic<std::uint64_t> tail;
  // Seldom written, so both processors have this line. From position level_start[n] on the frames lie in area n.
  alignas(apart) std::atomic<std::uint32_t> level;
  std::atomic<std::uint32_t> writer_processor;  ///< + 1; 0: unknown
  std::atomic<std::uint32_t> reader_processor;
  std::atomic<std::uint64_t> level_start[levels];
  // Behind the last frame read. Read by nobody else, a writer that goes to sleep excepted.
  alignas(apart) std::atomic<std::uint64_t> position;
  // A position from some time ago, for the writer: were it told of each frame, this line would go to and fro.
  alignas(apart) std::atomic<std::uint64_t> head;
  // Set by a reader that will sleep, taken by the writer that rings it.
  alignas(apart) std::atomic<std::uint32_t> reader_bell;
  // Whether the writer makes a fence before it looks at that bell; changed by the reader alone
  // (transport/ring_wait.hpp).
  std::atomic<std::uint32_t> reader_care;
  std::atomic<std::uint64_t> reader_rung_at;
  // Set by a writer that will sleep to the position it waits for, taken by the reader that rings it. 0: nobody sleeps.
  alignas(apart) std::atomic<std::uint64_t> writer_bell;
  std::atomic<std::uint64_t> writer_rung_at;
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && sizeof(ring_control) == 6 * ring_control::apart);

constexpr std::size_t ring_capacity(unsigned level) noexcept { return std::size_t{4096} << (2 * level); }
/// Where a level's area begins in the ring's data.
constexpr std::size_t ring_area(unsigned level) noexcept {
  return level == 0 ? 0 : ring_area(level - 1) + ring_capacity(level - 1);
}
inline constexpr std::size_t ring_data_size = ring_area(ring_control::levels);

/// What a writer leaves free in an area: the word that says that nothing follows.
inline constexpr std::size_t ring_end_size = 8;
inline std::size_t room_of_end() noexcept { return mutant("no room left for the end") ? 0 : ring_end_size; }

[[noreturn]] void throw_damaged_ring();

/// Where the positions of one level lie: by the position itself, so that what does not straddle lines by its position
/// does not in memory.
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
    const std::size_t offset = position & (capacity() - 1);
    return {area_ + offset, std::min(size, capacity() - offset)};
  }
  [[nodiscard]] std::atomic_ref<std::uint64_t> word(std::uint64_t position) const noexcept {
    return std::atomic_ref(*reinterpret_cast<std::uint64_t*>(area_ + (position & (capacity() - 8))));
  }

 private:
  std::byte* data_;
  std::byte* area_ = nullptr;
  std::uint64_t start_ = 0;
  unsigned level_ = 0;
};

class ring_writer {
 public:
  ring_writer(ring_control& control, std::byte* data) noexcept : control_(control), place_(data) {}

  /// Publishes a frame; `second` where its kind has a second word, `bytes` as many as `word` says. False, and nothing
  /// done, when there is not enough room. Throws decode_error for a position that no reader writes.
  bool try_put(std::uint64_t word, std::uint64_t second, std::span<const std::byte> bytes) {
    const std::uint64_t tail = begin();
    const std::uint64_t end = end_of_frame(tail, word);
    if (known_room(tail) < end - tail && room(tail) < end - tail) return false;
    const std::size_t words = words_of_frame(word);
    // Nobody looks there before this frame is published.
    if (!mutant("nothing written behind a frame")) place_.word(end).store(0, std::memory_order_relaxed);
    if (mutant("tail before the frame")) control_.tail.store(end, std::memory_order_release);
    if (mutant("frame before its bytes")) place_.word(tail).store(word, std::memory_order_release);
    if (words == 16) place_.word(tail + 8).store(second, std::memory_order_relaxed);
    put_bytes(tail + words, bytes);
    // release: pairs with the reader's look(). Whoever is killed before it has done nothing; after it, all.
    place_.word(tail).store(word, std::memory_order_release);
    control_.tail.store(end, std::memory_order_release);
    return true;
  }

  /// At or behind which the next frame begins; whatever was published before lies before it.
  [[nodiscard]] std::uint64_t position() { return begin(); }
  /// The largest frame that can be put now; by what the reader has said, and by what it has done.
  [[nodiscard]] std::size_t room() { return room(begin()); }
  [[nodiscard]] std::size_t room_at_last() { return room_at_last(begin()); }
  [[nodiscard]] std::size_t capacity() {
    (void)begin();
    return place_.capacity();
  }
  /// The room that such a frame takes here and now.
  [[nodiscard]] std::uint64_t needed(std::uint64_t word) {
    const std::uint64_t tail = begin();
    return end_of_frame(tail, word) - tail;
  }
  /// The reader's position at which there will be room for a frame of `size` bytes.
  [[nodiscard]] std::uint64_t position_for(std::size_t size);
  /// From now on frames go to the next level, whose memory is there (`ready` says so when asked). False: there is none.
  template <class Ready>
  bool grow(Ready&& ready) {
    const std::uint64_t tail = begin();
    const unsigned next = place_.level() + 1;
    if (mutant("level before it is there") && next != ring_control::levels) control_.level.store(next);
    if (next == ring_control::levels || !ready(ring_area(next), ring_capacity(next))) return false;
    control_.level_start[next].store(tail + 8, std::memory_order_relaxed);
    control_.level.store(next, std::memory_order_release);
    (void)begin();
    return true;
  }

 private:
  // Another holder of this end may have written meanwhile, or died while it did: nothing about this side is kept
  // outside of the shared memory.
  std::uint64_t begin() {
    const std::uint64_t tail = control_.tail.load(std::memory_order_relaxed);
    if (control_.level.load(std::memory_order_relaxed) == place_.level() &&
        place_.word(tail).load(std::memory_order_relaxed) == 0) [[likely]]
      return tail;
    return catch_up(tail);
  }
  std::uint64_t catch_up(std::uint64_t tail);
  [[nodiscard]] std::size_t known_room(std::uint64_t tail) const noexcept {
    const std::uint64_t used = tail - std::max(known_head_, place_.start()) + room_of_end();
    return used > place_.capacity() ? 0 : place_.capacity() - used;
  }
  std::size_t room(std::uint64_t tail);
  std::size_t room_at_last(std::uint64_t tail);
  void put_bytes(std::uint64_t at, std::span<const std::byte> bytes) noexcept {
    if (bytes.size() == 8) return place_.word(at).store(word_at(bytes.data()), std::memory_order_relaxed);
    if (bytes.empty()) return;
    const auto here = place_.piece(at, bytes.size());
    put_piece(here.data(), bytes.first(here.size()));
    if (here.size() < bytes.size()) [[unlikely]]
      put_piece(place_.piece(at + here.size(), bytes.size()).data(), bytes.subspan(here.size()));
  }
  static void put_piece(std::byte* to, std::span<const std::byte> bytes) noexcept {
    if (bytes.size() >= bulk_size) return bulk_copy_out(to, bytes);
    std::memcpy(to, bytes.data(), bytes.size());
  }
  static std::uint64_t word_at(const std::byte* bytes) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    return word;
  }

  ring_control& control_;
  ring_place place_;
  std::uint64_t known_head_ = 0;
};

class ring_reader {
 public:
  ring_reader(ring_control& control, std::byte* data) noexcept : control_(control), place_(data) {}

  /// The word of the next frame, or 0: there is none yet. Throws decode_error for one that no writer writes.
  std::uint64_t look() {
    const std::uint64_t at = begin();
    // acquire: all of the frame is there; pairs with try_put().
    const std::uint64_t word = place_.word(at).load(std::memory_order_acquire);
    if (word == 0) return 0;
    if (kind_of_frame(word) < static_cast<std::uint32_t>(frame_kind::next_level) &&
        end_of_frame(at, word) - at <= place_.capacity() - ring_end_size) [[likely]]
      return word;
    return look_behind(at, word);
  }
  /// Of the frame that look() has shown: where it begins; and its second word, where its kind has one.
  [[nodiscard]] std::uint64_t at() const noexcept { return position(); }
  [[nodiscard]] std::uint64_t second() const noexcept {
    return place_.word(position() + 8).load(std::memory_order_relaxed);
  }
  /// Its bytes, `skip` behind the first, that lie in one piece, at most `size`. The writer may be a liar who writes
  /// while they are read.
  [[nodiscard]] std::span<const std::byte> piece(std::uint64_t word, std::size_t skip,
                                                 std::size_t size) const noexcept {
    return place_.piece(position() + words_of_frame(word) + skip, size);
  }
  /// Goes behind the frame that look() has shown as `word`; the new position. `in_a_stream`: nothing was waited for
  /// but this ring since the frame before.
  std::uint64_t advance(std::uint64_t word, bool in_a_stream = false) noexcept {
    const std::uint64_t before = position(), at = end_of_frame(before, word);
    if (in_a_stream && lines_away.second_way() && at - before < bulk_size) give_lines_away(before, at);
    // release: all of the frame has been read before somebody writes there; pairs with the writer's room().
    control_.position.store(at, std::memory_order_release);
    if (at - control_.head.load(std::memory_order_relaxed) >= place_.capacity() / 16) tell(at, in_a_stream);
    return at;
  }
  /// Tells the writer of all that has been read.
  void give_back() noexcept {
    const std::uint64_t at = control_.position.load(std::memory_order_relaxed);
    if (control_.head.load(std::memory_order_relaxed) != at) control_.head.store(at, std::memory_order_release);
  }

 private:
  // Lines that were read here stay shared, and a writer a lap later has to take them back one by one, waiting for each:
  // on some machines that is nearly all that a small message costs. A line that nobody has it gets without asking.
  void give_lines_away(std::uint64_t from, std::uint64_t to) const noexcept {
    for (from &= ~(cache_line - 1); from < (to & ~(cache_line - 1)); from += cache_line)
      cpu::give_line_away(place_.piece(from, 1).data());
  }
  void tell(std::uint64_t at, bool in_a_stream) noexcept;
  // That the stream goes on at a new level is nothing that is read: the position stays behind until a frame is.
  [[nodiscard]] std::uint64_t position() const noexcept {
    return std::max(control_.position.load(std::memory_order_relaxed), place_.start());
  }
  // Another holder of this end may have read meanwhile.
  std::uint64_t begin() noexcept {
    if (control_.level.load(std::memory_order_relaxed) != place_.level()) [[unlikely]]
      enter_level_of(position());
    return position();
  }
  void enter_level_of(std::uint64_t at) noexcept;
  std::uint64_t look_behind(std::uint64_t at, std::uint64_t word);

  ring_control& control_;
  ring_place place_;
  trial lines_away_{lines_away};
  std::uint64_t told_ = 0, told_at_ = 0;  // the position, and ticks; 0: not in this stream
};

}  // namespace kin::detail
