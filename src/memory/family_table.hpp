// SPDX-License-Identifier: BSL-1.0
// family_table: who is alive. One page range shared by all processes started from one root, written by the root alone;
// everybody else has it read-only and cannot map it otherwise.
//
// Invariant: generation[m] is that of the living member m, or 0. A number is given again only after its last holder's
// pidfd has said that it ended and everybody who slept has been roused.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "memory/claim.hpp"

namespace kin::detail {

struct family_table {
  static constexpr std::uint32_t members = 8192;
  static constexpr std::uint64_t magic_value = 0x796c696d61662d6b;  // "k-family"

  static constexpr std::size_t unit_size = std::size_t{16} << 10;
  static constexpr std::size_t arena_units = std::size_t{1} << 20;  // 16 GiB

  std::uint64_t magic;
  std::uint64_t identity;                ///< random: objects of another family are told apart by it
  std::uint32_t light_publication;       ///< 1: who goes to sleep pays for the fence (see os/memory_barrier.hpp)
  std::atomic<std::uint64_t> arena_end;  ///< bytes of the arena that are memory; what lies beyond would be SIGBUS
  alignas(64) std::atomic<std::uint32_t> deaths;
  alignas(64) std::atomic<std::uint32_t> generation[members];
  /// Of each unit of the arena: how many granules lie from object to object in its chunk; 0: nothing lies there, or the
  /// inside of an object. So nobody looks for an object where none begins. Last: the file grows with the arena.
  alignas(4096) std::atomic<std::uint16_t> stride[arena_units];

  /// One plain load. Pairs with the root's store before it rouses the sleepers. A word that is no claim at all, in
  /// damaged memory, counts as a dead one's.
  [[nodiscard]] bool is_dead(claim c) const noexcept {
    const std::uint32_t m = member_of(c);
    return m >= members || generation_of(c) == 0 || generation[m].load(std::memory_order_acquire) != generation_of(c);
  }
  /// Whether an object of exactly `granules` may begin at `granule` of the arena, which is one of those allocated.
  [[nodiscard]] bool may_begin(std::uint64_t granule, std::uint64_t granules) const noexcept {
    constexpr std::uint64_t in_unit = unit_size / 64;
    const std::uint64_t at = granule % in_unit;
    return granules != 0 && stride[granule / in_unit].load(std::memory_order_acquire) == granules &&
           at % granules == 0 && (at == 0 || at + granules <= in_unit);
  }
};

}  // namespace kin::detail
