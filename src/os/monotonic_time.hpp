// SPDX-License-Identifier: BSL-1.0
// monotonic_time: a point of std::chrono::steady_clock as the kernel's CLOCK_MONOTONIC, which it is in libstdc++ and
// libc++.
#pragma once

#include <ctime>

#include <chrono>

namespace kin::os {

/// Points before the clock's zero become its zero.
inline timespec monotonic_time(std::chrono::steady_clock::time_point when) noexcept {
  const auto since = when.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  if (seconds.count() < 0) return {};
  return {static_cast<time_t>(seconds.count()),
          static_cast<long>(std::chrono::duration_cast<std::chrono::nanoseconds>(since - seconds).count())};
}

}  // namespace kin::os
