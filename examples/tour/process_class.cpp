// SPDX-License-Identifier: BSL-1.0
// Processes that run an object. Python: class MyProcess(Process) with run(); here any struct with operator().
#include <chrono>
#include <iostream>
#include <string>
#include <thread>

#include <kin/process.hpp>

using namespace std::chrono_literals;

struct my_process {
  std::string arg;

  void operator()() const {
    std::cout << arg << "开始..." << std::endl;
    std::this_thread::sleep_for(2s);
    std::cout << arg << "结束..." << std::endl;
  }
};

int main() {
  kin::init();
  kin::process p1(my_process{"p1"});
  kin::process p2(my_process{"p2"});
}
