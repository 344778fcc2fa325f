// SPDX-License-Identifier: BSL-1.0
// A function over a list, by five workers; the results keep the order. Python: pool.map(func1, (...)).
#include <unistd.h>

#include <chrono>
#include <iostream>
#include <string>
#include <thread>

#include <kin/pool.hpp>

using namespace std::chrono_literals;

std::string func1(const std::string& name) {
  std::cout << "当前进程的ID:" << getpid() << "," << name << std::endl;
  std::this_thread::sleep_for(2s);
  return name;
}

int main() {
  kin::init();
  kin::pool pool(5);
  auto args = pool.map(func1, {"t1,", "t2,", "t3,", "t4,", "t5,", "t6,", "t7,", "t8,"});
  for (const std::string& a : args) std::cout << a << '\n';
}
