// SPDX-License-Identifier: BSL-1.0
// A map over an input without end: never more than the window ahead of who reads.
#include <iostream>
#include <ranges>

#include <kin/pool.hpp>

long triangular(int n) { return static_cast<long>(n) * (n + 1) / 2; }

int main() {
  kin::init();
  kin::pool workers(2);
  for (const long v : workers.imap(triangular, std::views::iota(1), {.window = 16})) {
    if (v > 50) break;
    std::cout << v << "\n";
  }
}
