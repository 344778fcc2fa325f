// SPDX-License-Identifier: BSL-1.0
// Objects in a manager's server: changed by many without losing a change, inside each other, and of a class of yours.
#include <iostream>
#include <string>
#include <vector>

#include <kin/manager.hpp>
#include <kin/process.hpp>

using visits = kin::dict_proxy<std::string, int>;
using fruits = kin::list_proxy<std::string>;

void visit(visits pages) {
  for (int i = 0; i < 250; ++i) pages.update("home", [](int& n) { ++n; });  // runs in the server, all at once
}

void add_plum(kin::dict_proxy<std::string, fruits> shop) { shop.at("fruit").push_back("plum"); }

struct account {
  int total = 0;
  void pay_in(int amount) { total += amount; }
  int balance() const { return total; }
};

int main() {
  kin::init();
  kin::manager m;

  visits pages = m.dict<std::string, int>({{"home", 0}, {"help", 7}});
  {
    std::vector<kin::process> visitors;
    for (int i = 0; i < 4; ++i) visitors.emplace_back(visit, pages);
  }  // joined here
  std::cout << pages << '\n';

  fruits fruit = m.list<std::string>({"apple", "pear"});
  auto shop = m.dict<std::string, fruits>();
  shop.set("fruit", fruit);
  kin::process(add_plum, shop).join();
  std::cout << fruit.size() << " kinds of fruit:";
  for (const std::string& name : fruit) std::cout << ' ' << name;  // a copy, made at the start of the loop
  std::cout << '\n';

  fruit.set(0, "苹果");
  std::cout << fruit << ' ' << fruit[0] << '\n';
  std::vector<std::string> copy = fruit.snapshot();
  std::cout << copy.size() << ' ' << pages.contains("help") << pages.contains("shop") << '\n';

  auto savings = m.make<account>();
  kin::process([](kin::proxy<account> a) { a.call<&account::pay_in>(5); }, savings).join();
  std::cout << "balance: " << savings.call<&account::balance>() << '\n';
}
