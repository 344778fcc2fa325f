// SPDX-License-Identifier: BSL-1.0
// A task that crashes costs one worker_lost, which tells where; the others are done.
#include <csignal>
#include <iostream>
#include <string>
#include <vector>

#include <kin/pool.hpp>

int parse(int n) {
  if (n == 3) std::raise(SIGSEGV);
  return n * 10;
}

int main() {
  kin::init();
  kin::pool workers(2);
  std::vector<kin::future<int>> all;
  for (int n = 1; n <= 5; ++n) all.push_back(workers.apply_async({.name = "parse " + std::to_string(n)}, parse, n));
  for (const auto& f : all) {
    try {
      std::cout << f.get() << "\n";
    } catch (const kin::worker_lost& e) {
      std::cout << e.task() << " was lost, by signal " << e.signal() << "\n";
    }
  }
}
