// SPDX-License-Identifier: BSL-1.0
// Six tasks for five workers, three with a callback. Python: Pool(5).apply_async(func1, args, callback=func2).
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

void func2(const std::string& args) { std::cout << args << std::endl; }

int main() {
  kin::init();
  kin::pool pool(5);
  pool.apply_async(func1, "t1").then(func2);
  pool.apply_async(func1, "t2").then(func2);
  pool.apply_async(func1, "t3").then(func2);
  pool.apply_async(func1, "t4");
  pool.apply_async(func1, "t5");
  pool.apply_async(func1, "t6");
  pool.close();
  pool.join();
}
