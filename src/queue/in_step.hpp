// SPDX-License-Identifier: BSL-1.0
// in_step: whether this side of a stream follows the other at its heels, taking each item as soon as it is put, or
// putting one as soon as there is room. Then every line goes from core to core while the other side still needs it, and
// both are several times slower. Who is in step lets the other get ahead before it looks again.
//
// Only a hint, of this process alone; its threads share it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "memory/cpu.hpp"
#include "memory/wake_cost.hpp"

namespace kin::detail {

class in_step {
 public:
  /// What a look at the other side's position has found: so many items, or room for so many.
  void note(std::uint64_t found) noexcept {
    if (found == 0 || found >= few) {
      if (in_a_row_.load(std::memory_order_relaxed) != 0) in_a_row_.store(0, std::memory_order_relaxed);
      return;
    }
    // Somebody who has things to do between two looks is not in step, however little it finds.
    const std::uint64_t before_that = looked_.load(std::memory_order_relaxed);
    if (before_that == 0) {
      looked_.store(1, std::memory_order_relaxed);
      return;
    }
    const std::uint64_t now = cpu::ticks();
    const bool at_once = now - before_that < cpu::a_moment() / 32;
    looked_.store(now, std::memory_order_relaxed);
    const std::uint32_t before = in_a_row_.load(std::memory_order_relaxed);
    in_a_row_.store(at_once ? std::min(before + 1, enough) : 0, std::memory_order_relaxed);
  }
  [[nodiscard]] bool little() const noexcept { return in_a_row_.load(std::memory_order_relaxed) >= enough; }
  /// Both sides are here, and take turns.
  void interrupted() noexcept {
    if (looked_.load(std::memory_order_relaxed) == 0) return;
    looked_.store(0, std::memory_order_relaxed);
    in_a_row_.store(0, std::memory_order_relaxed);
  }
  void let_others_ahead() noexcept {
    const std::uint64_t end = steady_now() + a_while;
    do cpu::pause();
    while (steady_now() < end);
    looked_.store(cpu::ticks(), std::memory_order_relaxed);
  }

 private:
  static constexpr std::uint64_t few = 16;        // items
  static constexpr std::uint32_t enough = 3;      // looks in a row
  static constexpr std::uint64_t a_while = 1000;  // nanoseconds: some dozen items
  std::atomic<std::uint32_t> in_a_row_{0};
  std::atomic<std::uint64_t> looked_{0};
};

}  // namespace kin::detail
