// SPDX-License-Identifier: BSL-1.0
// passage: the word in an object's header that counts what no process's list of holds can know: handles in messages
// under way. Read by the root, which frees an object that nobody can have a handle of any more
// (docs/decisions/0012-an-object-goes-with-its-last-holder.md).
//
// transfers 28 | holders 15 | kept 1 | under way 20. All changes are sums, so a sum with a transfer in it never undoes
// itself. The holders are a hint, too low after some deaths, never too high for long.
#pragma once

#include <atomic>
#include <cstdint>

namespace kin::detail::passage {

inline constexpr std::uint64_t under_way = 1;                      ///< a message that is decoded once at most
inline constexpr std::uint64_t kept = std::uint64_t{1} << 20;      ///< lives as long as the family
inline constexpr std::uint64_t holder = std::uint64_t{1} << 21;    ///< a process
inline constexpr std::uint64_t transfer = std::uint64_t{1} << 36;  ///< only ever added

constexpr std::uint64_t messages(std::uint64_t word) noexcept { return word & (kept - 1); }
/// False: a message may still bring a handle of it.
constexpr bool is_over(std::uint64_t word) noexcept { return (word & (holder - 1)) == 0; }
constexpr bool seems_unused(std::uint64_t word) noexcept {
  const auto holders = static_cast<std::int64_t>(word << 28) >> 49;
  return is_over(word) && holders <= 0;
}

/// A message is about to be sent. False: too many are under way to be counted; it is kept now.
inline bool begin(std::atomic<std::uint64_t>& word) noexcept {
  if (messages(word.load(std::memory_order_relaxed)) >= kept / 2) {
    word.fetch_or(kept);
    return false;
  }
  word.fetch_add(under_way + transfer);
  return true;
}
/// A message has come to its end; `also` is added in the same step. What is not under way is not counted down: somebody
/// has decoded a copy. Returns the new word.
inline std::uint64_t end(std::atomic<std::uint64_t>& word, std::uint64_t also) noexcept {
  std::uint64_t now = word.load();
  for (;;) {
    const std::uint64_t next = now + also + (messages(now) != 0 ? -under_way : transfer);
    if (word.compare_exchange_weak(now, next)) return next;
  }
}

}  // namespace kin::detail::passage
