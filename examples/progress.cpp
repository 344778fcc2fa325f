// SPDX-License-Identifier: BSL-1.0
// How far a map is: a bar on a terminal, or a function of yours.
#include <iostream>
#include <numeric>
#include <vector>

#include <kin/pool.hpp>

int work(int n) { return n * n; }

int main() {
  kin::init();
  kin::pool workers(2);
  std::vector<int> numbers(1000);
  std::iota(numbers.begin(), numbers.end(), 0);
  workers.map(work, numbers, {.progress = kin::progress_bar("squares")});
  std::size_t told = 0;
  workers.map(work, numbers, {.chunk = 100, .progress = [&](std::size_t done, std::size_t all) {
                                ++told;
                                if (done == all) std::cout << done << " items done, told " << told << " times\n";
                              }});
}
