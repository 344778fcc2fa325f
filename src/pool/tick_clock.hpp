// SPDX-License-Identifier: BSL-1.0
// tick_clock: turns cpu::ticks() into time, by what both clocks have gone on since it was made.
#pragma once

#include <chrono>
#include <cstdint>

#include "memory/cpu.hpp"

namespace kin::detail {

class tick_clock {
 public:
  /// How long ago that was; 0: before this clock was made, or in the future.
  [[nodiscard]] std::chrono::microseconds since(std::uint64_t ticks) const noexcept {
    const std::uint64_t now = cpu::ticks();
    if (ticks <= ticks_ || ticks >= now) return {};
    const std::chrono::duration<double, std::micro> all = std::chrono::steady_clock::now() - at_;
    const double part = static_cast<double>(now - ticks) / static_cast<double>(now - ticks_);
    return std::chrono::microseconds(static_cast<std::int64_t>(all.count() * part));
  }

 private:
  std::uint64_t ticks_ = cpu::ticks();
  std::chrono::steady_clock::time_point at_ = std::chrono::steady_clock::now();
};

}  // namespace kin::detail
