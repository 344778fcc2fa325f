// SPDX-License-Identifier: BSL-1.0
// line_layout: what lies in the memory file of a queue whose items may have descriptors. Page 0 is the header; behind
// it extents, handed out from front to back.
//
// Invariant: the committed ledger alone says which extents are what. Everything is written under the header's lock, and
// nothing that the committed ledger gives a meaning is ever overwritten, so a process may be killed between any two
// stores and there is nothing to repair. docs/guide/queue.md shows the use, the table below each store.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "memory/bell.hpp"
#include "os/robust_mutex.hpp"

namespace kin::detail {

// An item is one extent, or several of the largest class. `more` chains the extents of an item and of a free list: how
// many there are stands elsewhere, so the last one's `more` means nothing. `next` chains items: the last one's means
// nothing either. Where something is written during an operation, and what it means there until the commit:
//
//   store                                   killed after it
//   ------------------------------------------------------------------------------------------------------------
//   put: file grown                         a larger file; the next who needs room finds it
//   put: more of extents never used         behind ledger.end: no meaning
//   put: more of a free list's last extent  no meaning
//   put: item's size, tag, bytes            free or never used: no meaning
//   put: descriptors into the line          their tag is no item's: dropped by whoever meets them
//   put: next of the last item              no meaning
//   put, get: bell                          whoever gets the lock next, and is told of the death, wakes all
//   put, get: wake                          somebody looks, finds nothing new and sleeps again
//   put: native handle set                  who next gets the lock is told of the death, and sets it right
//   get: more of the item's last extent     no meaning
//   all: the ledger that is not current     no meaning
//   all: `current`                          THE COMMIT: the operation is done
//   get: native handle cleared              (before it:) who next gets the lock sets it right: readable too long
//   get: descriptors out of the line        (before it:) their tag is no item's any more: dropped

inline constexpr std::size_t header_size = 4096;
inline constexpr std::size_t smallest_extent = 64;
inline constexpr std::size_t largest_extent = 64 << 10;
inline constexpr std::size_t size_classes = 11;
static_assert(smallest_extent << (size_classes - 1) == largest_extent);

/// Begins every extent; the item's bytes follow. `next`, `size` and `tag` count in an item's first extent only.
struct extent {
  std::uint64_t more;  ///< offset of the next extent of the item or free list
  std::uint64_t next;  ///< offset of the next item
  std::uint64_t size;  ///< bytes of the whole item
  std::uint64_t tag;   ///< of its descriptors in the line; 0: it has none
};
static_assert(sizeof(extent) < smallest_extent);

struct free_list {
  std::uint64_t first;
  std::uint64_t count;
};

/// Everything that changes by a put or get, as one value.
struct ledger {
  std::uint64_t head, tail;  ///< first and last item
  std::uint64_t count;       ///< items
  std::uint64_t end;         ///< of the extents ever used
  std::uint64_t unfinished;  ///< items put and not yet reported by task_done()
  std::uint64_t closed;
  std::array<free_list, size_classes> free;
};

struct header {
  // Written before anybody else sees the queue.
  std::uint64_t magic;
  std::uint64_t signature;  ///< of the item's type
  std::uint64_t capacity;   ///< 0: unbounded
  std::uint64_t with_line;  ///< items may have descriptors

  alignas(64) os::robust_mutex lock;
  // Rung before a commit and under the lock: the woken get the lock when the change is committed, or when its author
  // has died, so no death loses a wake. Everybody is woken: one alone might die before it looks.
  bell items, space, done;
  std::uint64_t tags;    ///< the last one given out; never taken back
  std::uint32_t polled;  ///< somebody has asked for native_handle()
  std::atomic<std::uint32_t> current;
  alignas(64) std::array<ledger, 2> ledgers;
};
static_assert(sizeof(header) <= header_size);

inline constexpr std::uint64_t layout_magic = 0x6b696e2d71756531;  // "kin-que1"

}  // namespace kin::detail
