// SPDX-License-Identifier: BSL-1.0
// timeline: a picture, in SVG, of which worker did what when. Knows nothing of kin or of words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace wordcount {

/// One task: a bar in the picture. Times are in seconds since the run began.
struct bar {
  std::size_t lane = 0;
  double begin = 0, end = 0;
  std::string group{};  ///< gives the colour
  std::string what{};   ///< for people who point at it
  std::uint64_t bytes = 0;
};

/// Lanes of bars, one for each worker, under a heading of their own, and what this process did with their results.
struct run {
  std::string heading;
  std::vector<std::string> lanes{};
  std::vector<bar> bars{};
  std::vector<std::pair<double, double>> merges{};
  double seconds = 0;
};

/// The runs below each other on one axis of time.
std::string draw_timeline(const std::string& title, const std::string& subtitle, const std::vector<run>& runs);

}  // namespace wordcount
