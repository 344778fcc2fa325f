// SPDX-License-Identifier: BSL-1.0
// claim: who owns something in shared memory, in one word: the member of the family (a process), its thread, and the
// generation of the member's number, so that a number given again does not bring a dead owner back to life.
//
// generation 32 | member 16 | thread 16; never 0, because generations begin at 1. 0 in a word means nobody.
#pragma once

#include <cstdint>

namespace kin::detail {

using claim = std::uint64_t;

constexpr claim make_claim(std::uint32_t generation, std::uint32_t member, std::uint32_t thread) noexcept {
  return std::uint64_t{generation} << 32 | std::uint64_t{member} << 16 | thread;
}
constexpr std::uint32_t generation_of(claim c) noexcept { return static_cast<std::uint32_t>(c >> 32); }
constexpr std::uint32_t member_of(claim c) noexcept { return static_cast<std::uint32_t>(c >> 16) & 0xffff; }
/// Claims of two threads of one process have this in common.
constexpr claim process_of(claim c) noexcept { return c >> 16; }

}  // namespace kin::detail
