// SPDX-License-Identifier: BSL-1.0
// Shared data: a number, an array and a struct with a lock. Python: Value('i', 0), Array('d', 5), both given to
// Processes.
#include <iostream>
#include <mutex>
#include <numeric>
#include <vector>

#include <kin/array.hpp>
#include <kin/process.hpp>
#include <kin/value.hpp>

struct account {
  int total = 0;
  int deposits = 0;
};

void work(int id, kin::value<int> hits, kin::array<double> grid, kin::value<account> acc) {
  for (int i = 0; i < 1000; ++i) ++hits;  // atomic
  grid[static_cast<std::size_t>(id)] = id * 1.5;
  std::scoped_lock hold(acc);  // members of a struct: under its lock
  acc->total += 5;
  ++acc->deposits;
}

int main() {
  kin::init();
  kin::value<int> hits{0};
  kin::array<double> grid(4);
  kin::value<account> acc;
  {
    std::vector<kin::process> workers;
    for (int id = 0; id < 4; ++id) workers.emplace_back(work, id, hits, grid, acc);
  }  // joined here
  std::cout << "hits " << hits << ", sum " << std::accumulate(grid.begin(), grid.end(), 0.0) << ", account "
            << acc->total << " in " << acc->deposits << " deposits\n";
}
