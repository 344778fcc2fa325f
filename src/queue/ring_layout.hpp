// SPDX-License-Identifier: BSL-1.0
// ring_layout: what lies in the family's arena for one ring_queue: a header, and a chain of segments with the items.
//
// Invariant: what the committed ledgers give a meaning is never overwritten. Everything a put does becomes true by its
// one store to `tail`, everything a get does by its one store to `head`; so a process may be killed between any two
// stores, and whoever takes its lock over finds a whole queue and has nothing to repair.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "memory/bell.hpp"
#include "memory/object_header.hpp"
#include "queue/turn.hpp"

namespace kin::detail {

// The chain: oldest → … → head's segment → … → tail's segment. Those before head's are drained, and are the next to be
// used again; so the memory goes round. The last one's `next` means nothing.
//
// An item: eight bytes with its size, its bytes, padding to eight; `jump` instead of a size: go to the next segment. An
// item that ends beyond its segment goes on at the beginning of the next one.
//
//   store                                       killed after it
//   ---------------------------------------------------------------------------------------------------------------
//   put: seen_head, get: seen_tail              hints, never ahead of the truth
//   put: item or jump behind the tail           no meaning
//   put: next of the tail's segment             no meaning
//   put: a new segment                          not used by anybody; it is a part of the queue, and goes with it
//   put: the new segment's place in the chain   one more drained segment (by a `next`, or by a ledger and `tail` with
//                                               the count as it was)
//   put, close: readiness, under poll_lock      readable too early; who looks and finds nothing sets it right
//   put, get: the ledger that is not current    no meaning
//   put: tail; get: head                        THE COMMIT. The lock is taken over from the dead; those who sleep are
//                                               roused by the death
//   get: readiness                              (before it:) readable too long; as above
//   close: closed                               closed; the death rouses those who sleep
//   task_done: done                             done; likewise

struct segment : object_header {
  std::atomic<std::uint64_t> next;
  std::uint64_t reserved;
};
static_assert(sizeof(segment) == granule);

inline constexpr std::uint64_t segment_begin = sizeof(segment);
inline constexpr std::uint64_t smallest_segment = 16 << 10;
inline constexpr std::uint64_t largest_segment = 1 << 20;
inline constexpr std::uint64_t jump = ~std::uint64_t{0};

struct tail_ledger {
  std::atomic<std::uint64_t> segment, offset;  ///< where the next item goes
  std::atomic<std::uint64_t> oldest;           ///< the first of the chain
};
struct head_ledger {
  std::atomic<std::uint64_t> segment, offset;  ///< where the first item lies
};

/// Lines of 64 bytes; pairs of them where one side alone writes, because processors fetch pairs.
struct ring_header : object_header {
  enum : std::uint32_t { space, put_turn, get_turn, all_done, poll_turn, bells };
  std::array<kin::detail::bell, bells> more;  ///< `bell` itself is for those who wait for an item

  // Written before anybody else sees the queue, or seldom.
  std::uint64_t signature;  ///< of the items' type
  std::uint64_t capacity;   ///< 0: unbounded
  std::atomic<std::uint32_t> polled;
  std::atomic<std::uint32_t> closed;  ///< under put_lock

  // The producers' side.
  alignas(128) turn_lock put_lock;
  std::atomic<std::uint64_t> seen_head;
  std::atomic<std::uint64_t> total;  ///< bytes of all segments, about
  std::array<tail_ledger, 2> tails;
  alignas(128) std::atomic<std::uint64_t> tail;  ///< items ever put << 1 | which ledger

  // The consumers' side.
  alignas(128) turn_lock get_lock;
  std::atomic<std::uint64_t> seen_tail;
  std::array<head_ledger, 2> heads;
  alignas(128) std::atomic<std::uint64_t> head;  ///< items ever taken << 1 | which ledger

  alignas(128) std::atomic<std::uint64_t> done;  ///< items reported by task_done()
  turn_lock poll_lock;
};
static_assert(sizeof(object_header) % alignof(bell) == 0);

}  // namespace kin::detail
