// SPDX-License-Identifier: BSL-1.0
// A queue with a limit: who waits for whom, for how long, and how consumers learn that nothing more will come.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <utility>
#include <vector>

#include <kin/process.hpp>
#include <kin/queue.hpp>

using namespace std::chrono_literals;

void square_all(kin::queue<int> jobs, kin::queue<std::pair<int, int>> squares) {
  for (int job : jobs) squares.put({job, job * job});  // until jobs is closed and empty
}

int main() {
  kin::init();
  std::cout << std::boolalpha;

  kin::queue<int> jobs(6);
  int n = 0;
  while (jobs.try_put(n)) ++n;  // Python: put_nowait, until queue.Full
  std::cout << "full after " << n << ": " << jobs.full() << '\n';
  std::cout << "room within 50 ms: " << jobs.put_for(n, 50ms) << '\n';

  kin::queue<std::pair<int, int>> squares;
  std::vector<kin::process> consumers;
  for (int i = 0; i < 3; ++i) consumers.emplace_back(square_all, jobs, squares);
  for (; n < 20; ++n) jobs.put(n);  // waits whenever six wait already
  jobs.close();
  for (kin::process& consumer : consumers) consumer.join();

  std::cout << squares.size() << " squares:";
  std::vector<int> all;
  while (auto square = squares.try_get()) all.push_back(square->second);
  std::sort(all.begin(), all.end());
  for (int square : all) std::cout << ' ' << square;
  std::cout << "\nanother within 50 ms: " << squares.get_for(50ms).has_value() << '\n';

  try {
    jobs.put(20);
  } catch (const kin::closed_error& e) {
    std::cout << "put: " << e.what() << '\n';
  }
  try {
    (void)jobs.get();
  } catch (const kin::closed_error& e) {
    std::cout << "get: " << e.what() << '\n';
  }
}
