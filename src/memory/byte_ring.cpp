// SPDX-License-Identifier: BSL-1.0
// byte_ring: see the header.
#include "memory/byte_ring.hpp"

#include <kin/core/error.hpp>

namespace kin::detail {

contest lines_away;

void throw_damaged_ring() {
  throw decode_error("kin: the shared memory of this connection is damaged; the connection has been closed");
}

// A growth that was begun is finished, and a frame that was published is passed over. Of a killed writer there is at
// most one of each; more is another process's doing.
std::uint64_t ring_writer::catch_up(std::uint64_t tail) {
  const unsigned level =
      std::min<std::uint32_t>(control_.level.load(std::memory_order_relaxed), ring_control::levels - 1);
  if (level != place_.level()) {
    const std::uint64_t start = control_.level_start[level].load(std::memory_order_relaxed);
    if (level > 0 && tail + 8 == start) {
      ring_place before = place_;
      before.enter(level - 1, level == 1 ? 0 : control_.level_start[level - 1].load(std::memory_order_relaxed));
      // release: the level is there for whoever sees this; pairs with the reader's look().
      before.word(tail).store(frame_word(frame_kind::next_level, 0), std::memory_order_release);
      control_.tail.store(tail = start, std::memory_order_release);
    }
    place_.enter(level, level == 0 ? 0 : start);
  }
  if (const std::uint64_t word = place_.word(tail).load(std::memory_order_relaxed);
      word != 0 && !mutant("published frame not passed over")) {
    tail = end_of_frame(tail, word);
    (void)room_at_last(tail);
    if (place_.word(tail).load(std::memory_order_relaxed) != 0) throw_damaged_ring();
    control_.tail.store(tail, std::memory_order_release);
  }
  return tail;
}

// acquire, in both: the reader has read what it gives back before we write there; pairs with advance().
std::size_t ring_writer::room(std::uint64_t tail) {
  known_head_ = control_.head.load(std::memory_order_acquire);
  return known_room(tail);  // none where room_at_last() has seen more than the reader has told
}

std::size_t ring_writer::room_at_last(std::uint64_t tail) {
  known_head_ = control_.position.load(std::memory_order_acquire);
  // Bytes of earlier levels take no room in this one.
  const std::uint64_t used = tail - std::max(known_head_, place_.start()) + room_of_end();
  if (used > place_.capacity()) throw_damaged_ring();
  return place_.capacity() - static_cast<std::size_t>(used);
}

std::uint64_t ring_writer::position_for(std::size_t size) {
  // At or behind this level's start whenever there is less room than that.
  return begin() + size + ring_end_size - place_.capacity();
}

void ring_reader::tell(std::uint64_t at, bool in_a_stream) noexcept {
  // Asked in the largest area alone: streams come there, and lines are away long enough.
  const std::uint64_t now = in_a_stream && place_.level() + 1 == ring_control::levels ? cpu::ticks() : 0;
  if (now != 0 && told_at_ != 0) lines_away_.note(at - told_, now - told_at_);
  told_at_ = now;
  told_ = at;
  control_.head.store(at, std::memory_order_release);
}

void ring_reader::enter_level_of(std::uint64_t at) noexcept {
  const unsigned last =
      std::min<std::uint32_t>(control_.level.load(std::memory_order_acquire), ring_control::levels - 1);
  while (place_.level() < last) {
    const std::uint64_t start = control_.level_start[place_.level() + 1].load(std::memory_order_relaxed);
    if (at < start) return;
    place_.enter(place_.level() + 1, start);
  }
}

// A word that is no message's.
std::uint64_t ring_reader::look_behind(std::uint64_t at, std::uint64_t word) {
  const unsigned level = place_.level();
  if (is_frame(word, frame_kind::next_level)) enter_level_of(at + 8);
  if (place_.level() != level + 1 || place_.start() != at + 8) throw_damaged_ring();
  return look();
}

}  // namespace kin::detail
