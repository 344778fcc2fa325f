// SPDX-License-Identifier: BSL-1.0
// futex_wake: waking some of those who sleep on a word, and knowing how many there were.
#pragma once

#include <atomic>
#include <cstdint>

namespace kin::os {

inline constexpr int everybody = 0x7fffffff;

/// Wakes at most `most` of those who sleep on `word` in any process; how many it woke.
int futex_wake(const std::atomic<std::uint32_t>& word, int most) noexcept;

}  // namespace kin::os
