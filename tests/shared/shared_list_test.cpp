// SPDX-License-Identifier: BSL-1.0
// shared_list: as a list, as a handle, growing from any process, under kill.
#include <kin/process.hpp>
#include <kin/shared_list.hpp>
#include <kin/shared_memory.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "os/gate.hpp"
#include "shared/no_fourteen.hpp"
#include "support/leaves_nothing_behind.hpp"
#include "sync/forked.hpp"

namespace shared_list_test {

int twice(int n) { return 2 * n; }
struct operation {
  int (*function)(int);
  int number;
};
struct has_a_codec {
  int number = 0;
};
struct record {
  has_a_codec first;
  std::error_code code;
};

}  // namespace shared_list_test

// Adds a hundred on the way, to show that it was asked.
template <>
struct kin::codec<shared_list_test::has_a_codec> {
  static void encode(writer& out, const shared_list_test::has_a_codec& x) { out(x.number); }
  static shared_list_test::has_a_codec decode(reader& in) { return {in.take<int>() + 100}; }
};

namespace {

using namespace shared_list_test;
using kin_test::forked;
using kin_test::no_fourteen;

const bool warm = kin_test::warm_up([] {
  const kin::shared_memory large(1);
  kin::process([] {}).join();
});

TEST(shared_list, is_used_as_python_s) {
  const kin::shared_list<std::string> names{"b"};
  names.push_back("hello");
  names.set(0, "x");
  EXPECT_EQ(names[0], "x");
  EXPECT_EQ(names.at(1), "hello");
  EXPECT_EQ(names.front() + names.back(), "xhello");
  EXPECT_EQ(names.get(2), std::nullopt);
  EXPECT_EQ(names.get(1), "hello");
  names.extend({"c", "a"});
  names.insert(1, "inserted");
  std::ostringstream text;
  text << names;
  EXPECT_EQ(text.str(), "['x', 'inserted', 'hello', 'c', 'a']");
  EXPECT_EQ(names.index("c"), 3U);
  EXPECT_TRUE(names.contains("a"));
  EXPECT_TRUE(names.remove("hello"));
  EXPECT_FALSE(names.remove("hello"));
  names.erase(0);
  names.sort();
  EXPECT_EQ(names.snapshot(), (std::vector<std::string>{"a", "c", "inserted"}));
  names.reverse();
  EXPECT_EQ(names.pop(), "a");
  EXPECT_EQ(names.pop(0), "inserted");
  EXPECT_EQ(names.count("c"), 1U);
  names.update(0, [](std::string& s) { s += "!"; });
  for (const auto& name : names) EXPECT_EQ(name, "c!");
  names.clear();
  EXPECT_TRUE(names.empty());
  EXPECT_THROW((void)names.pop_back(), std::out_of_range);
  EXPECT_THROW((void)names[0], std::out_of_range);
  EXPECT_THROW(names.set(0, ""), std::out_of_range);
  EXPECT_THROW(names.insert(1, ""), std::out_of_range);
}

template <class T, class Make>
void compare_with_a_vector(Make make) {
  const kin::shared_list<T> list;
  std::vector<T> model;
  std::mt19937 chance(1);
  for (int i = 0; i < 3000; ++i) {
    const std::size_t at = model.empty() ? 0 : chance() % model.size();
    const T value = make(chance());
    switch (chance() % 10) {
      case 0:
        list.insert(at, value);
        model.insert(model.begin() + static_cast<std::ptrdiff_t>(at), value);
        break;
      case 1:
        if (model.empty()) break;
        ASSERT_EQ(list.pop(at), model[at]);
        model.erase(model.begin() + static_cast<std::ptrdiff_t>(at));
        break;
      case 2:
      case 3:
        if (model.empty()) break;
        ASSERT_EQ(list.pop(), model.back());
        model.pop_back();
        break;
      case 4:
      case 5:
        if (model.empty()) break;
        list.set(at, value);
        model[at] = value;
        break;
      case 6:
        if (chance() % 50 != 0) break;
        list.clear();
        model.clear();
        break;
      default:
        list.push_back(value);
        model.push_back(value);
    }
    ASSERT_EQ(list.size(), model.size());
  }
  EXPECT_EQ(list.snapshot(), model);
}

TEST(shared_list, holds_what_a_vector_would) {
  compare_with_a_vector<int>([](auto n) { return static_cast<int>(n); });
  compare_with_a_vector<std::array<long, 9>>([](auto n) { return std::array<long, 9>{static_cast<long>(n)}; });
  compare_with_a_vector<std::string>([](auto n) { return std::string(n % 90, 'x') + std::to_string(n); });
  compare_with_a_vector<std::vector<std::string>>(
      [](auto n) { return std::vector<std::string>(n % 5, std::to_string(n)); });
}

TEST(shared_list, holds_bools) {
  kin::shared_list<bool> flags{true, false, true};
  EXPECT_EQ(flags.snapshot(), (std::vector<bool>{true, false, true}));
  flags.extend(std::vector<bool>{false, true});
  EXPECT_EQ(flags.snapshot(), (std::vector<bool>{true, false, true, false, true}));
  flags.sort();
  EXPECT_EQ(flags.snapshot(), (std::vector<bool>{false, false, true, true, true}));
  flags.remove(false);
  EXPECT_EQ(flags.snapshot(), (std::vector<bool>{false, true, true, true}));
}

// Its address is another one in each process, as is that of an error code's category.
TEST(shared_list, holds_functions_error_codes_and_what_has_a_codec_as_what_they_are) {
  const kin::shared_list<operation> operations{operation{twice, 21}};
  const kin::shared_list<record> records{record{{1}, std::make_error_code(std::errc::timed_out)}};
  kin::process child(
      [](const kin::shared_list<operation>& ops, const kin::shared_list<record>& all) {
        const operation op = ops[0];
        const record one = all[0];
        std::exit(op.function(op.number) + (one.code == std::errc::timed_out ? 1 : 0) + one.first.number);
      },
      operations, records);
  child.join();
  EXPECT_EQ(child.exitcode(), 42 + 1 + 101);
}

// It may have to map what it has made a second time.
TEST(shared_list, has_not_taken_what_it_throws_for) {
  const kin::shared_list<std::string> l;
  for (int i = 0; i < 2000; ++i) {
    const std::size_t had = l.size();
    kin::os::inject_fault("mmap", 1 + i % 2, ENOMEM);
    try {
      l.push_back(std::string(20, 'x'));
      EXPECT_EQ(l.size(), had + 1);
    } catch (const kin::os_error&) {
      EXPECT_EQ(l.size(), had);
    }
    kin::os::inject_fault(nullptr, 0, 0);
    if (l.size() == had) l.push_back(std::string(20, 'y'));
    ASSERT_EQ(l.size(), had + 1);
  }
}

TEST(shared_list, grows_from_any_process) {
  const kin::shared_list<std::string> log;
  const auto fill = [](const kin::shared_list<std::string>& mine, char who) {
    for (int i = 0; i < 2000; ++i) mine.push_back(std::string(1, who) + std::to_string(i));
  };
  {
    const kin::process a(fill, log, 'a'), b(fill, log, 'b');
    std::jthread thread([&] { fill(log, 'c'); });
    const kin::process d(kin::start::fork, [&] { fill(log, 'd'); });
  }
  const auto all = log.snapshot();
  EXPECT_EQ(all.size(), 8000U);
  for (const char who : {'a', 'b', 'c', 'd'}) {
    int next = 0;
    for (const auto& line : all)
      if (line[0] == who) {
        ASSERT_EQ(line.substr(1), std::to_string(next++));
      }
    EXPECT_EQ(next, 2000);
  }
}

TEST(shared_list, of_a_killed_writer_goes_on) {
  const kin::shared_list<int> list{1, 2};
  forked holder([&] { list.update(0, [](int&) { raise(SIGSTOP); }); });
  int status = 0;
  ASSERT_EQ(waitpid(holder.pid(), &status, WUNTRACED), holder.pid());
  std::jthread waiter([&] { list.push_back(3); });
  holder.kill();
  waiter.join();
  EXPECT_EQ(list.snapshot(), (std::vector{1, 2, 3}));
}

TEST(shared_list, is_extended_as_a_whole_or_not_at_all) {
  struct picky {
    int n = 0;
    void serialize(kin::writer& ar) {
      if (n < 0) throw std::runtime_error("no");
      ar(n);
    }
    void serialize(kin::reader& ar) { ar(n); }
    void serialize(kin::structure& ar) { ar(n); }
  };
  const kin::shared_list<std::vector<picky>> list;
  std::vector<std::vector<picky>> more{{{1}}, {{-1}}};
  EXPECT_THROW(list.extend(more), std::runtime_error);
  EXPECT_TRUE(list.empty());
}

TEST(shared_list, is_made_of_any_range) {
  EXPECT_EQ(kin::shared_list(std::vector{1, 2}).snapshot(), (std::vector{1, 2}));
  EXPECT_EQ((kin::shared_list<std::string>(std::vector<const char*>{"a"}).snapshot()), (std::vector<std::string>{"a"}));
}

TEST(shared_list, keeps_what_it_cannot_hand_out) {
  const kin::shared_list<no_fourteen> list{{14}, {2}, {14}};
  EXPECT_THROW((void)list.pop(), std::runtime_error);
  EXPECT_THROW((void)list.pop(0), std::runtime_error);
  EXPECT_THROW((void)list.pop_back(), std::runtime_error);
  EXPECT_EQ(list.size(), 3U);
  list.erase(2);
  list.erase(0);
  EXPECT_EQ(list.size(), 1U);
  EXPECT_EQ(list.pop().n, 2);
}

}  // namespace
