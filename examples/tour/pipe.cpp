// SPDX-License-Identifier: BSL-1.0
// A conversation through a pipe. Python: con1, con2 = Pipe(). An end travels to another process by moving.
#include <unistd.h>

#include <iostream>
#include <string>
#include <utility>

#include <kin/pipe.hpp>
#include <kin/process.hpp>

void func(const std::string& /*name*/, kin::connection con) {
  std::cout << "进程ID " << getpid() << " 获取了数据:" << con.recv<std::string>() << '\n';
  con.send("你好!");
}

int main() {
  kin::init();
  auto [con1, con2] = kin::pipe();
  kin::process p1(func, "p1", std::move(con1));
  con2.send("hello!");
  p1.join();
  std::cout << con2.recv<std::string>() << '\n';
}
