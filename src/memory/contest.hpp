// SPDX-License-Identifier: BSL-1.0
// contest: which of two ways to do the same is the faster one on this machine, found out by doing it. A process's first
// bytes go each way in turn, in trials; after a good deal more it is asked anew, for processes move between processors,
// and a trial may have been disturbed.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace kin::detail {

/// One question, for all threads of the process. Those that report at the same time may lose a trial of each other.
class contest {
 public:
  /// Whether to go the second way now.
  [[nodiscard]] bool second_way() const noexcept {
    const std::uint32_t n = done_.load(std::memory_order_relaxed);
    return n < trials ? n % 2 != 0 : second_is_better_.load(std::memory_order_relaxed);
  }

 private:
  friend class trial;
  static constexpr std::uint32_t trials = 8;
  void report(bool second, std::uint64_t ticks) noexcept;
  void begin_anew() noexcept;
  [[nodiscard]] bool is_decided() const noexcept { return done_.load(std::memory_order_relaxed) >= trials; }

  std::atomic<std::uint32_t> done_{0};
  std::array<std::atomic<std::uint64_t>, 2> best_{~std::uint64_t{0}, ~std::uint64_t{0}};
  std::atomic<bool> second_is_better_{false};
};

/// What one thread contributes.
class trial {
 public:
  explicit trial(contest& about) noexcept : about_(about) {}
  /// That `bytes` went the way that the contest had said, in so much time.
  void note(std::uint64_t bytes, std::uint64_t ticks) noexcept;

 private:
  contest& about_;
  bool second_ = false;
  std::uint64_t bytes_ = 0, counted_ = 0, ticks_ = 0;
};

}  // namespace kin::detail
