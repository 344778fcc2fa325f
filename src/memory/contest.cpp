// SPDX-License-Identifier: BSL-1.0
// contest: see the header.
#include "memory/contest.hpp"

namespace kin::detail {
namespace {
// What lies in a ring of the largest size comes from the trial before.
constexpr std::uint64_t not_counted = std::uint64_t{256} << 10;
constexpr std::uint64_t of_a_trial = 2 * not_counted;
constexpr std::uint64_t good_for = std::uint64_t{256} << 20;
constexpr std::uint64_t worst = ~std::uint64_t{0};
}  // namespace

void contest::report(bool second, std::uint64_t ticks) noexcept {
  const std::uint32_t n = done_.load(std::memory_order_relaxed);
  if (n >= trials) return;
  // The best of each: what disturbs makes a trial longer, never shorter.
  auto& mine = best_[second ? 1 : 0];
  if (ticks < mine.load(std::memory_order_relaxed)) mine.store(ticks, std::memory_order_relaxed);
  if (n + 1 == trials)
    second_is_better_.store(best_[1].load(std::memory_order_relaxed) < best_[0].load(std::memory_order_relaxed),
                            std::memory_order_relaxed);
  done_.store(n + 1, std::memory_order_relaxed);
}

void contest::begin_anew() noexcept {
  for (auto& each : best_) each.store(worst, std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
}

void trial::note(std::uint64_t bytes, std::uint64_t ticks) noexcept {
  const bool second = about_.second_way();
  if (second != second_) bytes_ = counted_ = ticks_ = 0;
  second_ = second;
  // One note may be of more bytes than a whole trial: what is counted is what was timed.
  if (bytes_ >= not_counted) {
    counted_ += bytes;
    ticks_ += ticks;
  }
  bytes_ += bytes;
  const bool decided = about_.is_decided();  // read once: another thread may change it
  if (decided ? bytes_ < good_for : counted_ < of_a_trial) return;
  if (decided)
    about_.begin_anew();
  else
    about_.report(second, ticks_ * 1024 / (counted_ / 1024));  // messages of different sizes end it at different places
  bytes_ = counted_ = ticks_ = 0;
}

}  // namespace kin::detail
