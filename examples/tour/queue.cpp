// SPDX-License-Identifier: BSL-1.0
// A queue between two processes. Python: mq = Queue(), given to a Process. A copy of a queue is the same queue.
#include <unistd.h>

#include <iostream>
#include <string>

#include <kin/process.hpp>
#include <kin/queue.hpp>

void func(const std::string& /*name*/, kin::queue<std::string> mq) {
  std::cout << "进程ID " << getpid() << " 获取了数据:" << mq.get() << '\n';
  mq.put("shiyi");
}

int main() {
  kin::init();
  kin::queue<std::string> mq;
  mq.put("yangyang");
  kin::process p1(func, "p1", mq);
  p1.join();
  std::cout << mq.get() << '\n';
}
