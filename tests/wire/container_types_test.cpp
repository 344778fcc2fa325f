// SPDX-License-Identifier: BSL-1.0
// container_types: every container comes back with the same elements in the same order.
#include <kin/wire/container_types.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <forward_list>
#include <list>
#include <memory_resource>
#include <numeric>
#include <span>
#include <unordered_map>
#include <unordered_set>

#include "wire/round_trip.hpp"

namespace {

// A plain struct, whatever it offers besides: all its members cross.
struct polyline {
  std::string name;
  std::vector<int> points;
  using value_type = int;
  auto begin() const { return points.begin(); }
  auto end() const { return points.end(); }
  void clear() { points.clear(); }
  void push_back(int p) { points.push_back(p); }
  friend bool operator==(const polyline&, const polyline&) = default;
};
TEST(container_types, that_are_plain_structs_cross_with_all_their_members) {
  const polyline coast{"coast", {1, 2, 3}};
  EXPECT_EQ(kin::detail::decode<polyline>(kin::detail::encode(coast)), coast);
}

struct hides_its_address {
  int number = 0;
  const hides_its_address* operator&() const { return nullptr; }
  hides_its_address* operator&() { return nullptr; }
};
TEST(container_types, of_what_has_an_operator_for_its_address_are_none_the_worse) {
  const std::array<hides_its_address, 2> all{{{1}, {2}}};
  const auto back = kin::detail::decode<std::array<hides_its_address, 2>>(kin::detail::encode(all));
  EXPECT_EQ(back[0].number * 10 + back[1].number, 12);
}

using kin_test::point;
using kin_test::record;
using kin_test::round_trip;

template <class T>
void expect_to_cross(const T& value) {
  EXPECT_EQ(round_trip(value), value);
}

TEST(container_types, strings_of_every_character_cross) {
  expect_to_cross(std::string());
  expect_to_cross(std::string("a\0b", 3));
  expect_to_cross(std::string(100'000, 'x'));
  expect_to_cross(std::wstring(L"wïde"));
  EXPECT_TRUE(round_trip(std::u8string(u8"ü")) == u8"ü");  // libgtest cannot print it
  expect_to_cross(std::u16string(u"ü"));
  expect_to_cross(std::u32string(U"ü"));
  EXPECT_EQ(round_trip(std::pmr::string("polymorphic memory")), "polymorphic memory");
}

TEST(container_types, sequences_cross) {
  expect_to_cross(std::vector<int>{1, 2, 3});
  expect_to_cross(std::vector<int>());
  expect_to_cross(std::vector<point>{{1, 2, 3}, {4, 5, 6}});
  expect_to_cross(std::vector<record>{{1, 2, "3"}, {4, 5, "6"}});
  expect_to_cross(std::vector<std::vector<std::string>>{{"a"}, {}, {"b", "c"}});
  expect_to_cross(std::vector<bool>{true, false, true, true});
  expect_to_cross(std::vector<std::pair<int, std::string>>{{1, "x"}});
  expect_to_cross(std::deque<std::string>{"a", "b"});
  expect_to_cross(std::deque<bool>{true, false});
  expect_to_cross(std::list<int>{1, 2, 3});
  expect_to_cross(std::forward_list<int>{1, 2, 3});
  expect_to_cross(std::forward_list<std::string>());
}

TEST(container_types, large_sequences_cross_wherever_their_bytes_lie) {
  const auto large = [](auto element, std::size_t n) {
    std::vector<decltype(element)> all(n, element);
    for (std::size_t i = 0; i < n; i += 1000) std::memset(&all[i], static_cast<int>(i % 251), sizeof element);
    return all;
  };
  const auto bytes_of = [](const auto& all) { return std::as_bytes(std::span(all)); };
  const auto crosses = [&](const auto& all) {
    // Behind a character the elements are not aligned.
    const auto [c, same] = round_trip(std::pair(std::string("c"), all));
    ASSERT_EQ(same.size(), all.size());
    EXPECT_TRUE(std::ranges::equal(bytes_of(same), bytes_of(all)));
  };
  for (const std::size_t n : {16'383U, 16'384U, 16'385U, 65'536U, 1'000'003U}) {
    crosses(large(int{1}, n));
    crosses(large(double{1}, n));
    crosses(large('x', 4 * n + 1));
    crosses(large(std::array<char, 3>{1, 2, 3}, n));
    crosses(large(std::array<int, 200>{}, n / 100));
  }
  expect_to_cross(std::string(20'000'001, 'x'));
  expect_to_cross(std::u32string(300'001, U'x'));
}

// Huge pages are advised for it.
TEST(container_types, very_large_sequences_cross) {
  std::vector<int> all(20'000'000);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_TRUE(round_trip(all) == all);
}

TEST(container_types, arrays_cross) {
  expect_to_cross(std::array<int, 3>{1, 2, 3});
  expect_to_cross(std::array<std::string, 2>{"a", "b"});
  expect_to_cross(std::array<std::array<bool, 2>, 2>{{{true, false}, {false, true}}});
  expect_to_cross(std::array<std::string, 0>());
}

TEST(container_types, sets_and_maps_cross) {
  expect_to_cross(std::set<std::string>{"b", "a"});
  expect_to_cross(std::multiset<int>{1, 1, 2});
  expect_to_cross(std::unordered_set<std::string>{"b", "a"});
  expect_to_cross(std::unordered_multiset<int>{1, 1, 2});
  expect_to_cross(std::map<std::string, std::vector<int>>{{"a", {1}}, {"b", {}}});
  expect_to_cross(std::multimap<int, int>{{1, 2}, {1, 1}, {0, 5}});
  expect_to_cross(std::unordered_map<int, std::string>{{1, "x"}, {2, "y"}});
  expect_to_cross(std::unordered_multimap<int, int>{{1, 2}, {1, 3}});
  expect_to_cross(std::map<std::string, int, std::greater<>>{{"a", 1}, {"b", 2}});
}

struct empty {
  bool operator==(const empty&) const = default;
};

TEST(container_types, elements_without_content_keep_their_number) {
  expect_to_cross(std::vector<empty>(3));
  expect_to_cross(std::list<std::monostate>(2));
  expect_to_cross(std::vector<std::tuple<>>(1));
  expect_to_cross(std::vector<std::array<int, 0>>(4));
  expect_to_cross(std::map<std::monostate, int>{{std::monostate(), 1}});
  expect_to_cross(std::pair(std::vector<empty>(3), std::string("after")));
}

struct never_anything {
  bool operator==(const never_anything&) const = default;
  template <class Archive>
  void serialize(Archive&) {}
};

TEST(container_types, elements_whose_serialize_writes_nothing_keep_their_number) {
  expect_to_cross(std::vector<never_anything>(5));
  expect_to_cross(std::map<int, std::vector<never_anything>>{{1, std::vector<never_anything>(2)}});
}

struct move_only {
  std::unique_ptr<int> value;
};

TEST(container_types, move_only_elements_cross) {
  std::vector<move_only> sent;
  sent.push_back({std::make_unique<int>(7)});
  sent.push_back({nullptr});
  const auto got = round_trip(sent);
  ASSERT_EQ(got.size(), 2U);
  EXPECT_EQ(*got[0].value, 7);
  EXPECT_EQ(got[1].value, nullptr);
  std::map<int, std::unique_ptr<std::string>> map;
  map[1] = std::make_unique<std::string>("x");
  EXPECT_EQ(*round_trip(map).at(1), "x");
}

TEST(container_types, flat_elements_take_exactly_their_bytes) {
  EXPECT_EQ(kin::detail::encode(std::vector<point>(100)).bytes.size(), 8 + 100 * sizeof(point));
  static_assert(kin::detail::is_flat<point> && kin::detail::is_flat<point[3]> && !kin::detail::is_flat<record>);
  static_assert(kin::detail::is_flat<std::array<point, 2>> && !kin::detail::is_flat<bool>);
}

}  // namespace
