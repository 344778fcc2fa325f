// SPDX-License-Identifier: BSL-1.0
// dict_proxy: a dict in a server behaves like Python's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <kin/manager.hpp>

#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

template <class T>
std::string printed(const T& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

TEST(dict_proxy, holds_what_is_set) {
  const kin::manager m;
  auto ages = m.dict<std::string, int>();
  ages.set("name", 3);
  ages.set("other", 4);
  ages.set("name", 5);
  EXPECT_EQ(ages["name"], 5);
  EXPECT_EQ(ages.at("other"), 4);
  EXPECT_TRUE(ages.contains("name"));
  EXPECT_FALSE(ages.contains("x"));
  EXPECT_EQ(ages.size(), 2u);
  EXPECT_EQ(ages.get("x", -1), -1);
  EXPECT_EQ(ages.try_get("x"), std::nullopt);
  EXPECT_EQ(ages.try_get("name"), 5);
}

TEST(dict_proxy, takes_literals_as_keys_and_values) {
  const kin::manager m;
  auto words = m.dict<std::string, std::string>({{"a", "b"}});
  words.set("name", "shiyi");
  EXPECT_EQ(printed(words), "{'a': 'b', 'name': 'shiyi'}");
}

TEST(dict_proxy, names_the_key_that_is_not_there) {
  const kin::manager m;
  auto ages = m.dict<std::string, int>();
  try {
    (void)ages["nobody"];
    FAIL();
  } catch (const std::out_of_range& e) {
    EXPECT_THAT(e.what(), HasSubstr("'nobody'"));
  }
  EXPECT_THROW((void)ages.pop("x"), std::out_of_range);
  EXPECT_THROW((void)ages.popitem(), std::out_of_range);
  EXPECT_FALSE(ages.erase("x"));
  EXPECT_EQ(ages.pop("x", 7), 7);
}

TEST(dict_proxy, keeps_the_order_of_insertion) {
  const kin::manager m;
  auto d = m.dict<int, std::string>();
  d.set(3, "c");
  d.set(1, "a");
  d.set(2, "b");
  d.set(1, "A");
  EXPECT_THAT(d.keys(), ElementsAre(3, 1, 2));
  EXPECT_THAT(d.values(), ElementsAre("c", "A", "b"));
  EXPECT_THAT(d.items(), ElementsAre(Pair(3, "c"), Pair(1, "A"), Pair(2, "b")));
  EXPECT_THAT(d.snapshot(), ElementsAre(Pair(1, "A"), Pair(2, "b"), Pair(3, "c")));
  EXPECT_TRUE(d.erase(3));
  d.set(3, "again");
  EXPECT_THAT(d.keys(), ElementsAre(1, 2, 3));
  EXPECT_THAT(d.popitem(), Pair(3, "again"));
  EXPECT_EQ(d.pop(1), "A");
  EXPECT_EQ(d.setdefault(2, "z"), "b");
  EXPECT_EQ(d.setdefault(9, "z"), "z");
  d.clear();
  EXPECT_TRUE(d.empty());
}

TEST(dict_proxy, updates_a_value_in_place_and_makes_a_new_one) {
  const kin::manager m;
  auto counts = m.dict<std::string, int>();
  counts.update("a", [](int& n) { ++n; });
  counts.update(
      "a", [](int& n, int by) { n += by; }, 5);
  EXPECT_EQ(counts["a"], 6);
  EXPECT_EQ(counts.update("a", [](int& n) { return std::to_string(++n); }), "7");
  EXPECT_THROW(counts.update("b", [](int&) { throw std::domain_error("no"); }), std::domain_error);
  EXPECT_FALSE(counts.contains("b"));
}

TEST(dict_proxy, is_made_and_updated_from_another_map) {
  const kin::manager m;
  const std::map<std::string, int> some{{"a", 1}, {"b", 2}};
  auto d = m.dict<std::string, int>(some);
  d.update(std::map<std::string, int>{{"b", 3}, {"c", 4}});
  d.update({{"d", 5}});
  EXPECT_EQ(printed(d), "{'a': 1, 'b': 3, 'c': 4, 'd': 5}");
}

struct point {
  int x = 0, y = 0;
  friend bool operator<(const point& a, const point& b) { return std::pair(a.x, a.y) < std::pair(b.x, b.y); }
};

TEST(dict_proxy, takes_keys_that_are_only_ordered) {
  const kin::manager m;
  auto d = m.dict<point, double>();
  d.set({1, 2}, 0.5);
  EXPECT_EQ((d[{1, 2}]), 0.5);
  EXPECT_THROW((void)(d[{2, 1}]), std::out_of_range);
  auto pairs = m.dict<std::pair<int, int>, std::string>();
  pairs.set({1, 2}, "x");
  EXPECT_EQ(printed(pairs), "{(1, 2): 'x'}");
}

TEST(dict_proxy, iterates_over_one_snapshot) {
  const kin::manager m;
  auto d = m.dict<std::string, int>({{"a", 1}, {"b", 2}});
  int sum = 0;
  for (const auto& [key, value] : d) {
    d.erase(key);
    sum += value;
  }
  EXPECT_EQ(sum, 3);
  EXPECT_TRUE(d.empty());
}

TEST(dict_proxy, of_lists_is_live) {
  const kin::manager m;
  auto d = m.dict<std::string, kin::list_proxy<int>>();
  d.set("a", m.list<int>({1}));
  d["a"].push_back(2);
  for (auto&& [key, list] : d) list.push_back(3);
  EXPECT_EQ(printed(d), "{'a': [1, 2, 3]}");
  EXPECT_EQ(m.stats().objects, 2u);
}

}  // namespace
