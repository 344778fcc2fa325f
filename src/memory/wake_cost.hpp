// SPDX-License-Identifier: BSL-1.0
// wake_cost: what it takes from a ring to the woken thread's running, measured at each wake, here and now. A constant
// would be wrong by a factor of ten between a halted virtual processor and bare metal. Says how long to spin.
#pragma once

#include <cstdint>

namespace kin::detail {

/// Steady nanoseconds.
std::uint64_t steady_now() noexcept;
/// A sleeper runs again; `rung_at` is when it was rung, in steady_now()'s time.
void note_wake(std::uint64_t rung_at) noexcept;
/// Nanoseconds for which spinning is worth more than sleeping, with the other side on another processor; 0 where there
/// is one.
std::uint64_t spin_budget() noexcept;

}  // namespace kin::detail
