// SPDX-License-Identifier: BSL-1.0
// list_proxy: a list in a server behaves like one here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <kin/manager.hpp>

#include <deque>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

template <class T>
std::string printed(const T& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

TEST(list_proxy, holds_what_is_appended) {
  const kin::manager m;
  auto names = m.list<std::string>();
  EXPECT_TRUE(names.empty());
  names.push_back("hello");
  names.push_back(std::string("world"));
  EXPECT_EQ(names.size(), 2u);
  EXPECT_EQ(names[0], "hello");
  EXPECT_EQ(names.at(1), "world");
  EXPECT_THAT(names.snapshot(), ElementsAre("hello", "world"));
}

TEST(list_proxy, is_made_of_any_range) {
  const kin::manager m;
  EXPECT_THAT(m.list<int>({1, 2, 3}).snapshot(), ElementsAre(1, 2, 3));
  EXPECT_THAT(m.list<int>(std::vector{4, 5}).snapshot(), ElementsAre(4, 5));
  const std::deque<std::string> words{"a", "b"};
  EXPECT_THAT(m.list<std::string>(words).snapshot(), ElementsAre("a", "b"));
  const char* literals[] = {"x", "y"};
  EXPECT_THAT(m.list<std::string>(literals).snapshot(), ElementsAre("x", "y"));
}

TEST(list_proxy, changes_by_its_methods) {
  const kin::manager m;
  auto numbers = m.list<int>({3, 1, 2});
  numbers.set(0, 30);
  numbers.insert(1, 7);
  numbers.insert(4, 9);
  EXPECT_THAT(numbers.snapshot(), ElementsAre(30, 7, 1, 2, 9));
  EXPECT_EQ(numbers.pop_back(), 9);
  EXPECT_EQ(numbers.pop(1), 7);
  numbers.erase(0);
  EXPECT_THAT(numbers.snapshot(), ElementsAre(1, 2));
  numbers.extend({5, 4});
  numbers.extend(std::vector{4});
  EXPECT_THAT(numbers.snapshot(), ElementsAre(1, 2, 5, 4, 4));
  EXPECT_EQ(numbers.count(4), 2u);
  EXPECT_EQ(numbers.index(5), 2u);
  EXPECT_EQ(numbers.index(6), std::nullopt);
  EXPECT_TRUE(numbers.contains(2));
  EXPECT_TRUE(numbers.remove(4));
  EXPECT_FALSE(numbers.remove(77));
  numbers.reverse();
  EXPECT_THAT(numbers.snapshot(), ElementsAre(4, 5, 2, 1));
  numbers.sort();
  EXPECT_THAT(numbers.snapshot(), ElementsAre(1, 2, 4, 5));
  numbers.clear();
  EXPECT_THAT(numbers.snapshot(), IsEmpty());
}

TEST(list_proxy, says_which_index_is_not_there) {
  const kin::manager m;
  auto numbers = m.list<int>({1, 2, 3});
  try {
    (void)numbers[5];
    FAIL();
  } catch (const std::out_of_range& e) {
    EXPECT_THAT(e.what(), HasSubstr("index 5 is out of range (size 3)"));
  }
  EXPECT_THROW(numbers.set(3, 1), std::out_of_range);
  EXPECT_THROW(numbers.erase(3), std::out_of_range);
  EXPECT_THROW(numbers.insert(4, 1), std::out_of_range);
  EXPECT_THROW((void)numbers.pop(3), std::out_of_range);
  EXPECT_THROW(numbers.update(3, [](int&) {}), std::out_of_range);
  EXPECT_THROW((void)m.list<int>().pop_back(), std::out_of_range);
  EXPECT_THAT(numbers.snapshot(), ElementsAre(1, 2, 3));
}

int tripled(int& n) { return n *= 3; }

TEST(list_proxy, updates_an_element_in_place) {
  const kin::manager m;
  auto words = m.list<std::string>({"a", "b"});
  words.update(1, [](std::string& s) { s += "!"; });
  words.update(
      0,
      [](std::string& s, const std::string& more, int times) {
        while (times-- > 0) s += more;
      },
      "xy", 2);
  EXPECT_THAT(words.snapshot(), ElementsAre("axyxy", "b!"));
  auto numbers = m.list<int>({1, 2});
  EXPECT_EQ(numbers.update(1, &tripled), 6);
  EXPECT_EQ(numbers.update(0, kin::bind([](int by, int& n) { return n += by; }, 10)), 11);
  EXPECT_THAT(numbers.snapshot(), ElementsAre(11, 6));
}

TEST(list_proxy, holds_bools) {
  const kin::manager m;
  auto flags = m.list<bool>({true, false});
  flags.update(1, [](bool& b) { b = !b; });
  EXPECT_THAT(flags.snapshot(), ElementsAre(true, true));
  EXPECT_EQ(printed(flags), "[True, True]");
}

TEST(list_proxy, iterates_over_one_snapshot) {
  const kin::manager m;
  auto numbers = m.list<int>({1, 2, 3});
  std::vector<int> seen;
  for (auto&& n : numbers) {
    numbers.push_back(n * 10);
    seen.push_back(n);
  }
  EXPECT_THAT(seen, ElementsAre(1, 2, 3));
  EXPECT_EQ(numbers.size(), 6u);
  static_assert(std::ranges::input_range<kin::list_proxy<int>>);
}

TEST(list_proxy, prints_as_python_does) {
  const kin::manager m;
  auto names = m.list<std::string>();
  EXPECT_EQ(printed(names), "[]");
  names.push_back("Hello!!");
  names.push_back("你好");
  EXPECT_EQ(printed(names), "['Hello!!', '你好']");
}

TEST(list_proxy, holds_what_can_only_be_moved) {
  const kin::manager m;
  auto owners = m.list<std::unique_ptr<int>>();
  owners.push_back(std::make_unique<int>(5));
  EXPECT_EQ(*owners.pop_back(), 5);
  EXPECT_TRUE(owners.empty());
}

TEST(list_proxy, is_the_same_list_in_every_copy) {
  const kin::manager m;
  auto numbers = m.list<int>();
  const auto copy = numbers;  // NOLINT(performance-unnecessary-copy-initialization): it is what is tested
  copy.push_back(1);
  EXPECT_EQ(numbers.size(), 1u);
  EXPECT_EQ(copy, numbers);
  EXPECT_NE(copy, m.list<int>());
}

TEST(list_proxy, is_nothing_when_default_made) {
  const kin::list_proxy<int> none;
  EXPECT_FALSE(none);
  EXPECT_THROW((void)none.size(), kin::closed_error);
  EXPECT_EQ(none, kin::list_proxy<int>());
}

TEST(list_proxy, of_lists_is_live) {
  const kin::manager m;
  auto outer = m.list<kin::list_proxy<int>>();
  {
    auto inner = m.list<int>({1});
    outer.push_back(inner);
    inner.push_back(2);
  }  // the outer list keeps the inner one
  outer[0].push_back(3);
  EXPECT_EQ(printed(outer), "[[1, 2, 3]]");
  outer.update(0, [](kin::list_proxy<int>& inner) { inner.push_back(4); });
  EXPECT_THAT(outer[0].snapshot(), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(m.stats().objects, 2u);
  outer.clear();
  EXPECT_EQ(m.stats().objects, 1u);
}

TEST(list_proxy, is_used_by_many_threads) {
  const kin::manager m;
  auto numbers = m.list<int>({0});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([numbers] {
      for (int i = 0; i < 200; ++i) numbers.update(0, [](int& n) { ++n; });
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(numbers[0], 800);
  EXPECT_EQ(m.stats().clients, 1u);
}

}  // namespace
