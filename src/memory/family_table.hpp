// SPDX-License-Identifier: BSL-1.0
// family_table: who is alive. One page range shared by all processes started from one root, written by the root alone;
// everybody else has it read-only and cannot map it otherwise.
//
// Invariant: generation[m] is that of the living member m, or 0. A number is given again only after its last holder's
// pidfd has said that it ended and everybody who slept has been roused.
#pragma once

#include <atomic>
#include <cstdint>

#include "memory/claim.hpp"

namespace kin::detail {

struct family_table {
  static constexpr std::uint32_t members = 8192;
  static constexpr std::uint64_t magic_value = 0x796c696d61662d6b;  // "k-family"

  std::uint64_t magic;
  std::uint64_t identity;                ///< random: objects of another family are told apart by it
  std::uint32_t light_publication;       ///< 1: who goes to sleep pays for the fence (see os/memory_barrier.hpp)
  std::atomic<std::uint64_t> arena_end;  ///< bytes of the arena that are memory; what lies beyond would be SIGBUS
  alignas(64) std::atomic<std::uint32_t> deaths;
  alignas(64) std::atomic<std::uint32_t> generation[members];

  /// One plain load. Pairs with the root's store before it rouses the sleepers.
  [[nodiscard]] bool is_dead(claim c) const noexcept {
    const std::uint32_t m = member_of(c);
    return m >= members || generation[m].load(std::memory_order_acquire) != generation_of(c);
  }
};

}  // namespace kin::detail
