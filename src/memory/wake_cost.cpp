// SPDX-License-Identifier: BSL-1.0
// wake_cost: see the header.
#include "memory/wake_cost.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "os/processors.hpp"

namespace kin::detail {
namespace {
std::atomic<std::uint32_t> wake_cost{10'000};
constexpr std::uint32_t least_cost = 1'000, most_cost = 50'000;
}  // namespace

std::uint64_t steady_now() noexcept {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

void note_wake(std::uint64_t rung_at) noexcept {
  const std::uint64_t took = steady_now() - rung_at;
  if (took > 10 * most_cost) return;  // rung for somebody else, or long ago
  const std::uint32_t old = wake_cost.load(std::memory_order_relaxed);
  const std::uint64_t mean = (7 * std::uint64_t{old} + took) / 8;
  wake_cost.store(std::clamp(static_cast<std::uint32_t>(mean), least_cost, most_cost), std::memory_order_relaxed);
}

std::uint64_t spin_budget() noexcept {
  static const bool alone = os::processors_online() < 2;
  return alone ? 0 : wake_cost.load(std::memory_order_relaxed) * std::uint64_t{3} / 2;
}

}  // namespace kin::detail
