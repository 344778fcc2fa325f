// SPDX-License-Identifier: BSL-1.0
// shared_dict: as a dict, as a handle, growing from any process, under kill.
#include <kin/array.hpp>
#include <kin/mutex.hpp>
#include <kin/pipe.hpp>
#include <kin/pool.hpp>
#include <kin/process.hpp>
#include <kin/queue.hpp>
#include <kin/shared_dict.hpp>
#include <kin/shared_list.hpp>

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "os/gate.hpp"
#include "shared/no_fourteen.hpp"
#include "support/leaves_nothing_behind.hpp"
#include "sync/forked.hpp"

namespace {

using kin_test::forked;
using kin_test::no_fourteen;

const bool warm = kin_test::warm_up([] {
  const kin::array<char> large(100'000);
  kin::process([] {}).join();
});

struct point {
  int x = 0;
  double y = 0;
  bool operator==(const point&) const = default;
  bool operator<(const point& other) const { return x < other.x; }
};
struct person {
  std::string name;
  std::vector<int> scores;
  bool operator==(const person&) const = default;
};

TEST(shared_dict, is_used_as_python_s) {
  const kin::shared_dict<std::string, int> ages;
  EXPECT_TRUE(ages.empty());
  ages.set("name", 3);
  ages.set("other", 4);
  EXPECT_EQ(ages["name"], 3);
  EXPECT_EQ(ages.at("other"), 4);
  EXPECT_EQ(ages.get("none"), std::nullopt);
  EXPECT_EQ(ages.try_get("name"), 3);
  EXPECT_EQ(ages.get("none", 9), 9);
  EXPECT_TRUE(ages.contains("name"));
  EXPECT_FALSE(ages.contains("x"));
  ages.update("name", [](int& n) { ++n; });
  EXPECT_EQ(ages.update(
                "new", [](int& n, int by) { return n += by; }, 5),
            5);
  EXPECT_EQ(ages.setdefault("new", 7), 5);
  EXPECT_EQ(ages.setdefault("newer", 7), 7);
  EXPECT_EQ(ages.size(), 4U);
  std::ostringstream text;
  text << ages;
  EXPECT_EQ(text.str(), "{'name': 4, 'other': 4, 'new': 5, 'newer': 7}");
  EXPECT_EQ(ages.keys(), (std::vector<std::string>{"name", "other", "new", "newer"}));
  EXPECT_EQ(ages.values(), (std::vector{4, 4, 5, 7}));
  EXPECT_TRUE(ages.erase("other"));
  EXPECT_FALSE(ages.erase("other"));
  EXPECT_EQ(ages.pop("new"), 5);
  EXPECT_EQ(ages.pop("new", -1), -1);
  EXPECT_EQ(ages.popitem(), (std::pair<std::string, int>("newer", 7)));
  ages.update({{"a", 1}, {"b", 2}});
  ages.update(std::map<std::string, int>{{"b", 3}});
  EXPECT_EQ(ages.snapshot(), (std::map<std::string, int>{{"name", 4}, {"a", 1}, {"b", 3}}));
  int sum = 0;
  for (const auto& [key, value] : ages) sum += value;
  EXPECT_EQ(sum, 8);
  ages.clear();
  EXPECT_TRUE(ages.empty());
  EXPECT_THROW((void)ages.popitem(), std::out_of_range);
  try {
    (void)ages["name"];
    FAIL();
  } catch (const std::out_of_range& e) {
    EXPECT_NE(std::string(e.what()).find("'name'"), std::string::npos);
  }
}

template <class K, class V>
void compare_with_a_map(const std::vector<K>& keys, const std::vector<V>& values) {
  const kin::shared_dict<K, V> dict;
  std::map<K, V> model;
  std::mt19937 chance(1);
  for (int i = 0; i < 3000; ++i) {
    const K& key = keys[chance() % keys.size()];
    switch (chance() % 8) {
      case 0:
        ASSERT_EQ(dict.erase(key), model.erase(key) != 0);
        break;
      case 1:
        ASSERT_EQ(dict.get(key).has_value(), model.contains(key));
        if (model.contains(key)) {
          ASSERT_EQ(dict[key], model[key]);
        }
        break;
      case 2:
        if (chance() % 100 == 0) {
          dict.clear();
          model.clear();
        }
        break;
      default: {
        const V& value = values[chance() % values.size()];
        dict.set(key, value);
        model[key] = value;
      }
    }
    ASSERT_EQ(dict.size(), model.size());
  }
  EXPECT_EQ(dict.snapshot(), model);
}

// Were each of them to look at all that went before it, nobody would wait for the end of this.
TEST(shared_dict, gives_a_million_items_back_from_its_end) {
  const kin::shared_dict<int, int> all;
  constexpr int n = 1'000'000;
  for (int i = 0; i < n; ++i) all.set(i, i);
  for (int i = n; i-- > 0;) ASSERT_EQ(all.popitem(), std::pair(i, i));
  EXPECT_TRUE(all.empty());
}

TEST(shared_dict, holds_what_a_map_would) {
  std::vector<std::string> texts;
  std::vector<int> numbers;
  std::vector<double> reals;
  std::vector<point> points;
  std::vector<person> people;
  std::vector<std::tuple<std::string, int>> pairs;
  for (int i = 0; i < 400; ++i) {
    texts.push_back(std::string(static_cast<std::size_t>(i % 37) * static_cast<std::size_t>(i % 5), 'x') +
                    std::to_string(i));
    numbers.push_back(i * 77);
    reals.push_back(i / 7.0);
    points.push_back({i, i * 0.5});
    people.push_back({texts.back(), std::vector<int>(static_cast<std::size_t>(i % 50), i)});
    pairs.emplace_back(texts.back(), i);
  }
  compare_with_a_map(texts, texts);
  compare_with_a_map(numbers, numbers);
  compare_with_a_map(reals, texts);
  compare_with_a_map(points, points);
  compare_with_a_map(pairs, people);
  compare_with_a_map(std::vector{'a', 'b', 'c'}, std::vector{'x', 'y'});
}

TEST(shared_dict, has_one_zero_as_a_key) {
  const kin::shared_dict<double, int> d;
  d.set(0.0, 1);
  d.set(-0.0, 2);
  EXPECT_EQ(d.size(), 1U);
  EXPECT_EQ(d[0.0], 2);
}

TEST(shared_dict, grows_from_any_process_and_shrinks) {
  const kin::shared_dict<std::string, std::string> d;
  const auto fill = [](const kin::shared_dict<std::string, std::string>& mine, int from) {
    for (int i = from; i < from + 2000; ++i)
      mine.set(std::to_string(i), std::string(static_cast<std::size_t>(i % 300), 'v'));
  };
  {
    const kin::process a(fill, d, 0), b(fill, d, 2000);
    std::jthread thread([&] { fill(d, 4000); });
    const kin::process c(kin::start::fork, [&] { fill(d, 6000); });
  }
  EXPECT_EQ(d.size(), 8000U);
  for (int i = 0; i < 8000; ++i) ASSERT_EQ(d[std::to_string(i)].size(), static_cast<std::size_t>(i % 300));
  kin::process(
      [](const kin::shared_dict<std::string, std::string>& mine) {
        for (int i = 1; i < 8000; ++i) mine.erase(std::to_string(i));
        mine.clear();
        mine.set("a", "b");
      },
      d)
      .join();
  EXPECT_EQ(d.snapshot(), (std::map<std::string, std::string>{{"a", "b"}}));
}

TEST(shared_dict, changes_a_value_in_place_for_ever) {
  const kin::shared_dict<int, std::array<char, 64>> d;
  for (int i = 0; i < 100; ++i) d.set(i, {});
  for (int i = 0; i < 100'000; ++i) d.set(i % 100, {static_cast<char>(i % 128)});
  for (int i = 0; i < 1000; ++i) {
    d.set(1000 + i, {});
    d.erase(1000 + i);
  }
  EXPECT_EQ(d.size(), 100U);
  EXPECT_EQ(d[99][0], static_cast<char>(99'999 % 128));
}

TEST(shared_dict, updates_are_atomic_between_processes_and_threads) {
  const kin::shared_dict<std::string, int> d;
  const auto work = [](const kin::shared_dict<std::string, int>& mine) {
    for (int i = 0; i < 2000; ++i) mine.update("n", [](int& n) { ++n; });
  };
  {
    const kin::process a(work, d), b(work, d);
    const kin::process c(kin::start::fork, [&] { work(d); });
    std::jthread thread([&] { work(d); });
  }
  EXPECT_EQ(d["n"], 8000);
}

TEST(shared_dict, is_as_before_when_an_update_throws) {
  const kin::shared_dict<std::string, int> d{{"n", 1}};
  EXPECT_THROW(d.update("n",
                        [](int& n) {
                          n = 9;
                          throw 1;
                        }),
               int);
  EXPECT_THROW(d.update("m",
                        [](int& n) {
                          n = 9;
                          throw 1;
                        }),
               int);
  EXPECT_EQ(d.snapshot(), (std::map<std::string, int>{{"n", 1}}));
  EXPECT_THROW(d.update("n", [&](int&) { d.set("n", 2); }), std::system_error) << "its own lock";
  EXPECT_EQ(d["n"], 1);
}

TEST(shared_dict, travels_any_way_a_value_does_and_holds_handles) {
  const kin::shared_dict<std::string, kin::array<int>> arrays;
  kin::pool workers(2);
  workers.apply(
      [](const kin::shared_dict<std::string, kin::array<int>>& mine) { mine.set("a", kin::array<int>(100'000, 5)); },
      arrays);
  workers.terminate();
  EXPECT_EQ(arrays["a"][99'999], 5);
  const kin::shared_dict<int, kin::shared_list<int>> nested;
  nested.set(1, kin::shared_list<int>{1, 2});
  nested[1].push_back(3);
  EXPECT_EQ(nested[1].size(), 3U);
  auto [here, there] = kin::pipe();
  here.send(nested);
  EXPECT_EQ((there.recv<kin::shared_dict<int, kin::shared_list<int>>>()), nested);
  const kin::shared_dict<std::string, kin::mutex> locks{{"l", kin::mutex()}};
  const kin::mutex same = locks["l"];
  EXPECT_EQ(same, locks["l"]);
}

TEST(shared_dict, is_still_there_after_a_move) {
  kin::shared_dict<int, int> d{{1, 2}};
  const kin::shared_dict<int, int> moved = std::move(d);
  EXPECT_EQ(d[1], 2);  // NOLINT(bugprone-use-after-move): a handle always names something
  EXPECT_EQ(d, moved);
}

TEST(shared_dict, refuses_descriptors) {
  const kin::shared_dict<int, kin::unique_fd> d;
  EXPECT_THROW(d.set(1, kin::unique_fd(dup(0))), kin::encode_error);
  EXPECT_TRUE(d.empty());
}

TEST(shared_dict, outlives_the_process_that_made_it) {
  const kin::queue<kin::shared_dict<int, std::string>> q;
  kin::process(
      [](const kin::queue<kin::shared_dict<int, std::string>>& to) {
        const kin::shared_dict<int, std::string> d;
        for (int i = 0; i < 1000; ++i) d.set(i, std::to_string(i));
        to.put(d);
      },
      q)
      .join();
  EXPECT_EQ(q.get()[999], "999");
}

TEST(shared_dict, is_as_before_when_there_is_no_memory) {
  const kin::shared_dict<int, std::string> d{{1, "one"}};
  for (const char* call : {"fallocate", "mmap"}) {
    kin::os::inject_fault(call, 1, ENOMEM);
    EXPECT_THROW(d.set(2, std::string(10'000, 'x')), kin::os_error) << call;
    kin::os::inject_fault(nullptr, 0, 0);
    EXPECT_EQ(d.snapshot(), (std::map<int, std::string>{{1, "one"}})) << call;
  }
  d.set(2, std::string(10'000, 'x'));
  EXPECT_EQ(d[2].size(), 10'000U);
}

TEST(shared_dict, of_a_killed_writer_goes_on) {
  const kin::shared_dict<std::string, int> d;
  forked holder([&] { d.update("n", [](int&) { raise(SIGSTOP); }); });
  int status = 0;
  ASSERT_EQ(waitpid(holder.pid(), &status, WUNTRACED), holder.pid());
  std::jthread waiter([&] { d.set("m", 1); });
  holder.kill();
  waiter.join();
  EXPECT_EQ(d.snapshot(), (std::map<std::string, int>{{"m", 1}}));
}

TEST(shared_dict, is_not_changed_by_a_process_that_an_update_has_forked) {
  const kin::shared_dict<std::string, int> d{{"n", 1}};
  const kin::shared_list<std::string> l{"one"};
  pid_t copy = -1;
  const auto refused = [&](const auto& update) {
    bool thrown = false;
    try {
      update();
    } catch (const kin::closed_error& e) {
      thrown = std::string(e.what()).find("forked inside update()") != std::string::npos;
    }
    if (copy == 0) ::_exit(thrown ? 7 : 1);
    int status = 0;
    ASSERT_EQ(::waitpid(copy, &status, 0), copy);
    EXPECT_EQ(WEXITSTATUS(status), 7);
  };
  refused([&] {
    d.update("n", [&](int& n) {
      copy = ::fork();
      n = copy == 0 ? -1 : n + 1;
    });
  });
  refused([&] {
    l.update(0, [&](std::string& text) {
      copy = ::fork();
      text = copy == 0 ? std::string(100, '-') : "two";
    });
  });
  EXPECT_EQ(d["n"], 2);
  EXPECT_EQ(l.snapshot(), std::vector<std::string>{"two"});
}

TEST(shared_dict, is_not_what_damaged_bytes_say) {
  const kin::shared_dict<int, std::string> d{{1, "one"}};
  const auto whole = kin::detail::encode(d).bytes;
  std::mt19937_64 chance(1);
  for (int i = 0; i < 3000; ++i) {
    kin::detail::parcel message;
    message.bytes = whole;
    message.bytes[chance() % whole.size()] ^= static_cast<std::byte>(1 + chance() % 255);
    EXPECT_THROW((void)(kin::detail::decode<kin::shared_dict<int, std::string>>(std::move(message))),
                 kin::decode_error);
  }
  EXPECT_THROW((void)kin::detail::decode<kin::shared_list<int>>(kin::detail::encode(d)), kin::decode_error);
  // The right object, another type: an error or some value, never other memory.
  const auto other = kin::detail::decode<kin::shared_dict<int, std::array<int, 30>>>(kin::detail::encode(d));
  EXPECT_THROW((void)other[1], kin::decode_error);
}

TEST(shared_dict, ten_thousand_cost_no_descriptor_and_no_mapping) {
  std::vector<kin::shared_dict<int, int>> many(10'000);
  for (auto& d : many) d.set(1, 2);
  EXPECT_EQ(many.back()[1], 2);
}

TEST(shared_dict, keeps_what_it_cannot_hand_out) {
  const kin::shared_dict<int, no_fourteen> dict{{1, {14}}};
  EXPECT_THROW((void)dict.pop(1), std::runtime_error);
  EXPECT_THROW((void)dict.pop(1, {}), std::runtime_error);
  EXPECT_THROW((void)dict.popitem(), std::runtime_error);
  EXPECT_TRUE(dict.contains(1));
  EXPECT_TRUE(dict.erase(1));
}

}  // namespace
