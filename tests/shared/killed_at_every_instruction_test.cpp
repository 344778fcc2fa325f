// SPDX-License-Identifier: BSL-1.0
// shared_dict and shared_list, single-stepped: a process is stopped after 1, 2, 3 … n instructions of one change, and
// killed there. The others must find what was there before or what would have been there after, whole, and go on.
#include <kin/process.hpp>
#include <kin/shared_dict.hpp>
#include <kin/shared_list.hpp>
#include <kin/shared_memory.hpp>

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "support/leaves_nothing_behind.hpp"
#include "sync/stepped.hpp"

namespace {

const bool warm = kin_test::warm_up([] {
  const kin::shared_memory large(1);
  kin::process([] {}).join();
});

// Anew for each kill. The first keys were set twice, so that each has its spare.
using text_map = std::map<std::string, std::string>;
using number_map = std::map<int, long>;
// Lies in its entry, and is longer than a word.
struct record {
  long first, second, third;
  bool operator==(const record&) const = default;
};
record all_of(long n) { return {n, n, n}; }
using record_map = std::map<int, record>;
struct world {
  const kin::shared_dict<std::string, std::string> texts;
  const kin::shared_dict<int, long> numbers;
  const kin::shared_dict<int, record> records;
  const kin::shared_list<std::string> list;
  explicit world(int items) {
    for (int round = 0; round < 2; ++round)
      for (int i = 0; i < items; ++i) {
        texts.set("key " + std::to_string(i), std::string(40, static_cast<char>('a' + round)));
        numbers.set(i, i + round);
        records.set(i, all_of(i + round));
      }
    for (int i = 0; i < items; ++i) list.push_back("line " + std::to_string(i));
  }
};
struct contents {
  text_map texts;
  number_map numbers;
  record_map records;
  std::vector<std::string> list;
  explicit contents(const world& w)
      : texts(w.texts.snapshot()),
        numbers(w.numbers.snapshot()),
        records(w.records.snapshot()),
        list(w.list.snapshot()) {
    // What is listed is found, too.
    for (const auto& [key, text] : texts) EXPECT_EQ(w.texts.get(key), text);
    for (const auto& [key, number] : numbers) EXPECT_EQ(w.numbers.get(key), number);
    for (const auto& [key, found] : records) EXPECT_TRUE(w.records.get(key) == found);
    EXPECT_EQ(w.texts.size(), texts.size());
    EXPECT_EQ(w.numbers.size(), numbers.size());
    EXPECT_EQ(w.records.size(), records.size());
    EXPECT_EQ(w.list.size(), list.size());
  }
  bool operator==(const contents&) const = default;
};

struct scenario {
  std::string name;
  int items;
  std::function<void(const world&)> stepped;
};

bool one_kill(const scenario& s, long steps, kin_test::course& way, const contents& before, const contents& after) {
  const world w(s.items);
  kin_test::stepped victim(
      [&] { (void)w.texts.size(), (void)w.numbers.size(), (void)w.records.size(), (void)w.list.size(); },
      [&] { s.stepped(w); });
  const bool inside = victim.step_and_die(steps, way);
  if (way.lost) return inside;
  const contents now(w);
  EXPECT_TRUE(now == before || now == after);
  if (!inside) {
    EXPECT_TRUE(now == after);
  }
  // And all of it can be changed again, beyond what there is room for now.
  for (int i = 0; i < 12; ++i) {
    w.texts.set("key " + std::to_string(i), "again");
    w.numbers.set(i, -i);
    w.records.set(i, all_of(-i));
    w.list.push_back("again");
  }
  w.texts.erase("key 0");
  const contents later(w);
  EXPECT_FALSE(later.texts.contains("key 0"));
  for (int i = 1; i < 12; ++i) {
    EXPECT_EQ(later.texts.at("key " + std::to_string(i)), "again");
    EXPECT_EQ(later.numbers.at(i), -i);
    EXPECT_EQ(later.records.at(i), all_of(-i));
  }
  EXPECT_EQ(later.list.size(), now.list.size() + 12);
  return inside;
}

void kill_everywhere(const scenario& s, long kills) {
  const world w(s.items);
  const contents before(w);
  s.stepped(w);
  const contents after(w);
  EXPECT_FALSE(before == after);
  kin_test::course way;
  ASSERT_FALSE(one_kill(s, 10'000'000, way, before, after));
  const long length = way.made;
  const long points = kill_at(kin_test::about(kills, length), way, length,
                              [&](long n, kin_test::course& to) { return one_kill(s, n, to, before, after); });
  std::printf("             %-40s %6ld instructions, %5ld kills\n", s.name.c_str(), length, points);
}

const std::string longer(60, 'z');
const std::vector<scenario> scenarios = {
    {"set in the spare block", 2, [](const world& w) { w.texts.set("key 1", std::string(40, 'z')); }},
    {"set in a new block", 2, [](const world& w) { w.texts.set("key 1", longer); }},
    {"set a new key", 2, [](const world& w) { w.texts.set("new", "value"); }},
    {"set a number", 2, [](const world& w) { w.numbers.set(1, 99); }},
    {"set a new number", 2, [](const world& w) { w.numbers.set(77, 99); }},
    {"set a number that makes the dict larger", 4, [](const world& w) { w.numbers.set(77, 99); }},
    {"set a record", 2, [](const world& w) { w.records.set(1, all_of(99)); }},
    {"set a new record", 2, [](const world& w) { w.records.set(77, all_of(99)); }},
    {"update a record", 2, [](const world& w) { w.records.update(1, [](record& r) { r = all_of(r.first + 7); }); }},
    {"update", 2, [](const world& w) { w.texts.update("key 0", [](std::string& text) { text = "new"; }); }},
    {"erase", 2, [](const world& w) { w.texts.erase("key 0"); }},
    {"erase a number", 2, [](const world& w) { w.numbers.erase(1); }},
    {"clear", 2, [](const world& w) { w.texts.clear(); }},
    {"push_back", 2, [](const world& w) { w.list.push_back("new"); }},
    {"pop_back", 2, [](const world& w) { w.list.pop_back(); }},
    {"set an element", 2, [](const world& w) { w.list.set(1, longer); }},
    {"erase in the middle", 3, [](const world& w) { w.list.erase(1); }},
    {"extend", 2,
     [](const world& w) {
       w.list.extend({"x", "y"});
     }},
    {"set that moves the dict to a span", 8, [](const world& w) { w.numbers.set(77, 99); }},
    {"set that needs a larger span", 4, [](const world& w) { w.texts.set("new", std::string(6000, 'n')); }},
};

class shared_killed_at : public testing::TestWithParam<scenario> {};
class long_shared_killed_at : public shared_killed_at {};

TEST_P(shared_killed_at, some_instructions_leaves_the_others_right) {
  const char* chosen = std::getenv("KIN_KILLS");
  kill_everywhere(GetParam(), chosen ? std::atol(chosen) : 12);
}
TEST_P(long_shared_killed_at, every_instruction_leaves_the_others_right) { kill_everywhere(GetParam(), 1'000'000); }

INSTANTIATE_TEST_SUITE_P(in, shared_killed_at, testing::ValuesIn(scenarios), kin_test::scenario_name);
INSTANTIATE_TEST_SUITE_P(in, long_shared_killed_at, testing::ValuesIn(scenarios), kin_test::scenario_name);

}  // namespace
