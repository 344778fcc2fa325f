// SPDX-License-Identifier: BSL-1.0
// deadline: a point in monotonic time, or never. Every wait in kin takes one, so that a wait in several
// steps (EINTR, short reads, wakes that were not for us) still ends on time.
#pragma once

#include <chrono>
#include <optional>

namespace kin {

/// When a wait gives up. Durations too long to add to now() mean never; negative ones mean at once.
class deadline {
 public:
  using clock = std::chrono::steady_clock;

  static constexpr deadline never() noexcept { return deadline{}; }
  static deadline now() noexcept { return deadline{clock::now()}; }
  template <class Rep, class Period>
  static deadline after(std::chrono::duration<Rep, Period> d) {
    const auto start = clock::now();
    if (!(d > d.zero())) return deadline{start};  // also what is no number
    const auto room = std::chrono::duration<long double>(clock::time_point::max() - start);
    if (std::chrono::duration<long double>(d) >= room) return never();
    return deadline{start + std::chrono::ceil<clock::duration>(d)};
  }
  template <class Clock, class Duration>
  static deadline at(std::chrono::time_point<Clock, Duration> t) {
    // In long double, as neither the times nor how far they are apart may fit into the finer unit of the two.
    using wide = std::chrono::duration<long double>;
    if constexpr (std::is_same_v<Clock, clock>) {
      const wide since(t.time_since_epoch());
      if (since >= wide(clock::time_point::max().time_since_epoch())) return never();
      if (!(since > wide(clock::time_point::min().time_since_epoch()))) return now();
      return deadline{std::chrono::ceil<clock::duration>(t)};
    } else {
      return after(wide(t.time_since_epoch()) - wide(Clock::now().time_since_epoch()));
    }
  }

  [[nodiscard]] constexpr bool is_never() const noexcept { return !when_; }
  [[nodiscard]] bool passed() const noexcept { return when_ && clock::now() >= *when_; }
  /// Time left, at least zero. Only for a deadline that is not never().
  [[nodiscard]] clock::duration left() const noexcept {
    const auto d = *when_ - clock::now();
    return d > d.zero() ? d : d.zero();
  }
  [[nodiscard]] clock::time_point when() const noexcept { return *when_; }
  friend deadline earlier(deadline a, deadline b) noexcept {
    if (a.is_never()) return b;
    if (b.is_never()) return a;
    return *a.when_ < *b.when_ ? a : b;
  }

 private:
  constexpr deadline() noexcept = default;
  explicit constexpr deadline(clock::time_point t) noexcept : when_(t) {}
  std::optional<clock::time_point> when_;
};

}  // namespace kin
