// SPDX-License-Identifier: BSL-1.0
// progress: the bar; see the header.
#include <kin/pool/progress.hpp>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "os/terminal.hpp"

namespace kin {
namespace {

constexpr int width = 30;
constexpr std::chrono::milliseconds between_redraws{50};

struct bar {
  using clock = std::chrono::steady_clock;
  std::string title;
  clock::time_point started = clock::now(), drawn{};

  void draw(std::size_t done, std::size_t all) {
    const auto now = clock::now();
    if (done < all && now - drawn < between_redraws) return;
    drawn = now;
    const double seconds = std::chrono::duration<double>(now - started).count();
    const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
    const double part = all > 0 ? static_cast<double>(done) / static_cast<double>(all) : 1;
    const double left = rate > 0 ? static_cast<double>(all - std::min(done, all)) / rate : 0;
    const auto full = static_cast<std::size_t>(part * width);
    std::string line = "\r" + title + (title.empty() ? "[" : " [");
    for (std::size_t i = 0; i < width; ++i) line += i < full ? '#' : '.';
    char numbers[96];
    std::snprintf(numbers, sizeof numbers, "] %3.0f %%  %zu/%zu  %.0f/s  %.0f s left \033[K%s", part * 100, done, all,
                  rate, left, done >= all ? "\n" : "");
    line += numbers;
    std::fputs(line.c_str(), stderr);
    std::fflush(stderr);
  }
};

}  // namespace

progress progress_bar(std::string title) {
  if (!os::is_terminal(2)) return {};
  auto b = std::make_shared<bar>();
  b->title = std::move(title);
  return {[b](std::size_t done, std::size_t all) { b->draw(done, all); }};
}

}  // namespace kin
