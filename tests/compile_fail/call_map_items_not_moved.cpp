// SPDX-License-Identifier: BSL-1.0
// call_map_items_not_moved: a range of things that only move, given by its name.
// expect: kin: the items of this range cannot be copied, only moved, and a name was given for it. Hand it over: write
// expect: std::move(range)
// errors: 1
#include <kin/pool.hpp>

#include <memory>
#include <vector>

int main() {
  kin::init();
  kin::pool workers(1);
  std::vector<std::unique_ptr<int>> items;
  workers.map([](const std::unique_ptr<int>&) {}, items);
}
