// SPDX-License-Identifier: BSL-1.0
// course: the instructions that an operation went through while all of it was stepped. A later copy goes to near one of
// them at full speed, by a breakpoint: to kill it after each of n instructions takes n short ways, and not n * n / 2
// steps.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace kin_test {

class course {
 public:
  /// A place that is come to for the first time after `passes` other times, `after` so many instructions.
  struct mark {
    long place, passes, after;
  };

  /// Of the copy that was stepped last. A sleep counts as one.
  long made = 0;
  /// It did not come to the mark: it went another way this time.
  bool lost = false;

  /// The instruction at `place` is the next one. One that repeats itself would stop more often than it is come to.
  void note(long place, bool repeats) {
    const long passes = times_[place]++;
    stops_.push_back({place, repeats ? most_passes + 1 : passes, static_cast<long>(stops_.size())});
  }
  /// Nothing more is noted: what comes now is not the same each time, or the operation is over.
  void close() { open_ = false; }
  [[nodiscard]] bool open() const { return open_; }

  /// Where to go at full speed, before the rest of so many instructions; if that is shorter than steps.
  [[nodiscard]] std::optional<mark> mark_before(long steps) const {
    if (open_ || stops_.empty()) return std::nullopt;
    std::optional<mark> best;
    long least = steps;
    const long last = std::min(steps, static_cast<long>(stops_.size()) - 1);
    for (long n = last; n >= 0 && steps - n < least; --n) {
      const mark& m = stops_[static_cast<std::size_t>(n)];
      const long takes = steps_of_a_mark + steps_of_a_pass * m.passes + steps - n;
      if (m.passes > most_passes || takes >= least) continue;
      least = takes;
      best = m;
    }
    return best;
  }
  /// As `kill`(course), which kills a copy; once more step by step where that copy was lost.
  template <class Kill>
  bool follow(Kill kill) {
    lost = false;
    if (const bool inside = kill(*this); !lost) return inside;
    course unknown;
    unknown.close();
    return kill(unknown);
  }

 private:
  static constexpr long most_passes = 100'000, steps_of_a_mark = 4, steps_of_a_pass = 3;
  std::vector<mark> stops_;
  std::unordered_map<long, long> times_;
  bool open_ = true;
};

/// After how many instructions to kill.
struct kill_points {
  long first, stride;
};
/// About so many, of an operation of that length; all, where that is fewer.
inline kill_points about(long kills, long length) {
  if (kills >= length) return {0, 1};
  return {length / kills / 2, length / kills};
}

/// `kill`(instructions, course) at each of the points, until one fails. How many they are.
template <class Kill>
long kill_at(kill_points which, course& way, long length, Kill kill) {
  long points = 0;
  for (long n = which.first; n <= length && !testing::Test::HasFailure(); n += which.stride, ++points) {
    SCOPED_TRACE("killed after instruction " + std::to_string(n) + " of " + std::to_string(length));
    way.follow([&](course& to) { return kill(n, to); });
  }
  return points;
}

}  // namespace kin_test
