// SPDX-License-Identifier: BSL-1.0
// A task that waits never runs, one that runs is stopped, one that has ended is not cancelled any more.
#include <chrono>
#include <iostream>
#include <thread>

#include <kin/pool.hpp>

void work(int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

int main() {
  kin::init();
  kin::pool workers(1);
  auto done = workers.apply_async(work, 0);
  done.wait();
  auto running = workers.apply_async(work, 1'000'000'000);
  auto waiting = workers.apply_async(work, 1'000'000'000);
  std::cout << std::boolalpha << done.cancel() << " " << waiting.cancel() << " " << running.cancel() << "\n";
  try {
    running.get();
  } catch (const kin::cancelled_error& e) {
    std::cout << e.what() << "\n";
  }
}
