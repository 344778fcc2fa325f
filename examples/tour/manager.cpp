// SPDX-License-Identifier: BSL-1.0
// A list and a dict that two processes share. Python: with Manager() as mgr; here the scope ends the manager too.
#include <unistd.h>

#include <iostream>
#include <string>

#include <kin/manager.hpp>
#include <kin/process.hpp>

void func(const std::string& /*name*/, kin::list_proxy<std::string> m_list,
          kin::dict_proxy<std::string, std::string> m_dict) {
  std::cout << "子进程ID " << getpid() << " 获取了数据:" << m_list << '\n';
  std::cout << "子进程ID " << getpid() << " 获取了数据:" << m_dict << '\n';
  m_list.push_back("你好");
  m_dict.set("name", "shiyi");
}

int main() {
  kin::init();
  std::cout << "主进程ID:" << kin::current_process().pid() << '\n';
  kin::manager mgr;
  auto m_list = mgr.list<std::string>();
  auto m_dict = mgr.dict<std::string, std::string>();
  m_list.push_back("Hello!!");
  kin::process p1(func, "p1", m_list, m_dict);
  p1.join();
  std::cout << m_list << '\n';
  std::cout << m_dict << '\n';
}
