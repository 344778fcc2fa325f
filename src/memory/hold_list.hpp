// SPDX-License-Identifier: BSL-1.0
// hold_list: which objects of the arena this process has handles of, in words that the root reads. Guarded by the lock
// of the process's registry (memory/object_ref.cpp).
//
// Invariant: this process alone writes its words. One store enters an object, one gives it up.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kin::detail {

/// granule of the arena 28 | low bits of the serial 35 | given up 1. Never 0 for an object: see object_ref::make.
using hold_word = std::uint64_t;
inline constexpr hold_word given_up = 1;
inline constexpr std::uint64_t told_apart = (std::uint64_t{1} << 35) - 1;  // bits of a serial

constexpr hold_word hold_word_for(std::uint64_t offset, std::uint64_t serial) noexcept {
  return offset / 64 << 36 | (serial & told_apart) << 1;
}
constexpr std::uint64_t offset_in(hold_word w) noexcept { return (w >> 36) * 64; }
constexpr bool names(hold_word w, std::uint64_t serial) noexcept {
  return (w >> 1 & told_apart) == (serial & told_apart);
}

class hold_list {
 public:
  using slot = std::atomic<hold_word>*;

  /// Throws os_error, bad_alloc.
  slot add(hold_word word);
  /// From now on it is no hold, but the word stays, so that the root finds it when this process dies before it has said
  /// so.
  static void give_up(slot s) noexcept { s->fetch_or(given_up, std::memory_order_release); }
  void remove(slot s) noexcept {
    s->store(0, std::memory_order_release);
    free_.push_back(s);  // there is room: see add()
  }
  /// In a forked copy: the words are its parent's.
  void forget() noexcept {
    free_.clear();
    size_ = 0;
  }

 private:
  std::vector<slot> free_;
  std::size_t size_ = 0;  // words in all
};

}  // namespace kin::detail
