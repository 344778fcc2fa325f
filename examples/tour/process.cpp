// SPDX-License-Identifier: BSL-1.0
// Two processes at once. Python: Process(target=func1, args=('p1',)).start(), twice; the destructors join.
#include <chrono>
#include <iostream>
#include <string>
#include <thread>

#include <kin/process.hpp>

using namespace std::chrono_literals;

void func1(const std::string& arg) {
  std::cout << arg << "开始..." << std::endl;
  std::this_thread::sleep_for(2s);
  std::cout << arg << "结束..." << std::endl;
}

int main() {
  kin::init();
  kin::process p1(func1, "p1");
  kin::process p2(func1, "p2");
}
