// SPDX-License-Identifier: BSL-1.0
// A task that takes too long is stopped; its worker is replaced.
#include <chrono>
#include <iostream>
#include <thread>

#include <kin/pool.hpp>

using namespace std::chrono_literals;

int work(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  return milliseconds;
}

int main() {
  kin::init();
  kin::pool workers(2);
  auto quick = workers.apply_async({.timeout = 20s}, work, 1);
  auto endless = workers.apply_async({.timeout = 200ms, .name = "endless"}, work, 1'000'000'000);
  std::cout << "quick: " << quick.get() << "\n";
  try {
    endless.get();
  } catch (const kin::task_timeout& e) {
    std::cout << e.what() << "\n";
  }
}
