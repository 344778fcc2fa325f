// SPDX-License-Identifier: BSL-1.0
// byte_ring: see the header.
#include "memory/byte_ring.hpp"

#include <kin/core/error.hpp>

namespace kin::detail {
namespace {
[[noreturn]] void throw_damaged() {
  throw decode_error("kin: the shared memory of this connection is damaged; the connection has been closed");
}
}  // namespace

void ring_writer::enter(std::uint32_t level) noexcept {
  const unsigned n = std::min<std::uint32_t>(level, ring_control::levels - 1);
  place_.enter(n, control_.level_start[n].load(std::memory_order_relaxed));
}

std::size_t ring_writer::room(std::uint64_t tail) {
  // acquire: the reader has read what it gives back before we write there; pairs with advance().
  known_head_ = control_.head.load(std::memory_order_acquire);
  // Bytes of earlier levels take no room in this one.
  const std::uint64_t used = tail - std::max(known_head_, place_.start());
  if (used > place_.capacity()) throw_damaged();
  return place_.capacity() - static_cast<std::size_t>(used);
}

void ring_writer::put_words(ring_words words) noexcept {
  const std::uint64_t tail = begin();
  put_words(tail, words);
  control_.tail.store(tail + ring_words_size, std::memory_order_release);
}

void ring_writer::put_piece(std::span<const std::byte> bytes) noexcept {
  const std::uint64_t tail = begin();
  put_bytes(tail, bytes);
  control_.tail.store(tail + padded(bytes.size()), std::memory_order_release);
}

std::uint64_t ring_writer::head_for(std::size_t size) noexcept {
  const std::uint64_t tail = begin();
  return tail + size - place_.capacity();  // head >= start of this level whenever there is less room than that
}

std::size_t ring_reader::look(std::uint64_t head) {
  // acquire: what was put before the tail was moved is there; pairs with the writer's release. The level is read after
  // the tail: bytes of a new level are never published before the level is.
  __builtin_prefetch(place_.word(head));  // comes along with the tail instead of after it
  std::uint64_t tail = control_.tail.load(std::memory_order_acquire);
  const unsigned last =
      std::min<std::uint32_t>(control_.level.load(std::memory_order_acquire), ring_control::levels - 1);
  level_end_ = ~std::uint64_t{0};
  for (unsigned level = place_.level(); level < last; ++level) {
    level_end_ = control_.level_start[level + 1].load(std::memory_order_relaxed);
    if (head < level_end_) break;
    place_.enter(level + 1, level_end_);
    level_end_ = ~std::uint64_t{0};
  }
  known_tail_ = tail = std::min(tail, level_end_);
  if (tail - head > place_.capacity()) throw_damaged();
  return static_cast<std::size_t>(tail - head);
}

}  // namespace kin::detail
