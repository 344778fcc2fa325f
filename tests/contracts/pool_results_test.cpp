// SPDX-License-Identifier: BSL-1.0
// What comes back from a pool, in which order, by which start method.
#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <forward_list>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <ranges>
#include <set>
#include <sstream>
#include <string_view>
#include <tuple>

#include "contracts/pool_contract.hpp"

namespace kin_test {
namespace {
class pool_results : public pool_contract {};
KIN_POOL_CONTRACT(pool_results);

TEST_P(pool_results, gives_the_value_of_a_task) {
  kin::pool workers(options(2));
  EXPECT_EQ(workers.apply(square, 7), 49);
  EXPECT_EQ(workers.apply([](std::string s) { return s + "!"; }, "é"), "é!");
  static_assert(std::is_void_v<decltype(workers.apply([] {}))>);
  workers.apply([] {});
  EXPECT_NE(workers.apply(own_pid), ::getpid());
}

TEST_P(pool_results, keeps_the_order_of_a_map) {
  kin::pool workers(options(3));
  std::vector<int> in(500);
  std::iota(in.begin(), in.end(), 0);
  const auto out = workers.map(square, in);
  ASSERT_EQ(out.size(), in.size());
  for (int i : in) EXPECT_EQ(out[static_cast<std::size_t>(i)], i * i);
  EXPECT_EQ(workers.map(square, in, {.chunk = 1}), out);
  EXPECT_EQ(workers.map(square, in, {.chunk = 499}), out);
  EXPECT_EQ(workers.map(square, in, {.chunk = 100000}), out);
}

TEST_P(pool_results, maps_over_any_range) {
  kin::pool workers(options(2));
  const std::vector<int> expected{1, 4, 9};
  EXPECT_EQ(workers.map(square, std::list<int>{1, 2, 3}), expected);
  EXPECT_EQ(workers.map(square, std::forward_list<int>{1, 2, 3}), expected);
  EXPECT_EQ(workers.map(square, {1, 2, 3}), expected);
  EXPECT_EQ(workers.map(square, std::views::iota(1, 4)), expected);
  EXPECT_EQ(workers.map(square, std::views::iota(1) | std::views::take(3)), expected);
  std::vector<int> v{1, 2, 3, 4};
  EXPECT_EQ(workers.map(square, v | std::views::filter([](int n) { return n != 4; })), expected);
  std::istringstream input("1 2 3");
  EXPECT_EQ(workers.map(square, std::views::istream<int>(input)), expected);
  EXPECT_TRUE(workers.map(square, std::vector<int>{}).empty());
  const auto lengths = workers.map([](const std::string& s) { return s.size(); }, {"a", "bb", "ccc"});
  EXPECT_EQ(lengths, (std::vector<std::size_t>{1, 2, 3}));
  const std::map<std::string, int> ages{{"x", 1}, {"y", 2}};
  EXPECT_EQ(workers.map([](const std::pair<const std::string, int>& p) { return p.second; }, ages),
            (std::vector<int>{1, 2}));
}

TEST_P(pool_results, maps_over_bools_and_to_bools) {
  kin::pool workers(options(2));
  EXPECT_EQ(workers.map([](int n) { return n % 2 == 0; }, {1, 2, 3, 4}), (std::vector<bool>{false, true, false, true}));
  EXPECT_EQ(workers.map([](bool b) { return b ? 1 : 0; }, std::vector<bool>{true, false, true}),
            (std::vector<int>{1, 0, 1}));
  EXPECT_EQ(workers.map([](bool b) { return !b; }, {true, false}), (std::vector<bool>{false, true}));
}

TEST_P(pool_results, maps_what_can_only_be_moved) {
  kin::pool workers(options(2));
  auto boxes = workers.map([](int n) { return std::make_unique<int>(n); }, {1, 2, 3});
  ASSERT_EQ(boxes.size(), 3u);
  EXPECT_EQ(*boxes[2], 3);
  auto back =
      workers.map([](std::unique_ptr<int> p) { return *p; },
                  std::ranges::subrange(std::make_move_iterator(boxes.begin()), std::make_move_iterator(boxes.end())));
  EXPECT_EQ(back, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(*workers.apply([](std::unique_ptr<int> p) { return p; }, std::make_unique<int>(5)), 5);
}

TEST_P(pool_results, maps_a_callable_without_result) {
  kin::pool workers(options(2));
  static_assert(std::is_void_v<decltype(workers.map([](int) {}, std::vector<int>{}))>);
  workers.map([](int) {}, {1, 2, 3});
  EXPECT_THROW(workers.map(
                   [](int n) {
                     if (n == 2) throw std::out_of_range("two");
                   },
                   {1, 2, 3}),
               std::out_of_range);
}

TEST_P(pool_results, spreads_the_elements_of_tuples) {
  kin::pool workers(options(2));
  const std::vector<std::tuple<int, std::string>> calls{{2, "ab"}, {1, "c"}};
  EXPECT_EQ(workers.starmap(
                [](int n, const std::string& s) {
                  std::string r;
                  for (int i = 0; i < n; ++i) r += s;
                  return r;
                },
                calls),
            (std::vector<std::string>{"abab", "c"}));
  EXPECT_EQ(workers.starmap([](int a, int b) { return a - b; }, {std::pair(3, 1), std::pair(9, 4)}),
            (std::vector<int>{2, 5}));
}

TEST_P(pool_results, spreads_literals_views_and_arrays_like_arguments) {
  kin::pool workers(options(2));
  const auto count = [](std::string_view text, int n) { return static_cast<int>(text.size()) + n; };
  EXPECT_EQ(workers.starmap(count, {std::tuple{"ab", 1}, std::tuple{"c", 2}}), (std::vector<int>{3, 3}));
  EXPECT_EQ(workers.starmap(count, std::vector<std::pair<std::string_view, int>>{{"ab", 1}}), std::vector<int>{3});
  EXPECT_EQ(workers.starmap([](int a, int b, int c) { return a + b * c; }, std::vector<std::array<int, 3>>{{1, 2, 3}}),
            std::vector<int>{7});
}

TEST_P(pool_results, takes_items_that_only_move_out_of_a_range_that_is_handed_over) {
  kin::pool workers(options(2));
  const auto owners = [] {
    std::vector<std::unique_ptr<int>> all;
    for (int i = 1; i <= 3; ++i) all.push_back(std::make_unique<int>(i));
    return all;
  };
  const auto twice = [](const std::unique_ptr<int>& p) { return *p * 2; };
  const std::vector<int> expected{2, 4, 6};
  EXPECT_EQ(workers.map(twice, owners()), expected);
  EXPECT_EQ(workers.map_async(twice, owners()).get(), expected);
  std::forward_list<std::unique_ptr<int>> unsized;
  for (int i = 3; i >= 1; --i) unsized.push_front(std::make_unique<int>(i));
  EXPECT_EQ(workers.map(twice, std::move(unsized)), expected);
  std::vector<std::pair<std::unique_ptr<int>, int>> pairs;
  pairs.emplace_back(std::make_unique<int>(4), 5);
  EXPECT_EQ(workers.starmap([](std::unique_ptr<int> a, int b) { return *a + b; }, std::move(pairs)),
            std::vector<int>{9});
  std::vector<int> seen;
  for (const int n : workers.imap(twice, owners())) seen.push_back(n);
  EXPECT_EQ(seen, expected);
}

TEST_P(pool_results, leaves_items_that_can_be_copied_where_they_are) {
  kin::pool workers(options(2));
  std::vector<std::string> words{"a", "b"};
  EXPECT_EQ(workers.map([](const std::string& s) { return s.size(); }, std::move(words)).size(), 2U);
  EXPECT_EQ(words, (std::vector<std::string>{"a", "b"}));  // NOLINT(bugprone-use-after-move): that is the claim
}

// A generator as coroutines make them: moved, never assigned.
class countdown {
 public:
  explicit countdown(int from) : left_(from) {}
  countdown(const countdown&) = delete;
  countdown(countdown&&) noexcept = default;
  countdown& operator=(const countdown&) = delete;
  struct iterator {
    using value_type = int;
    using difference_type = std::ptrdiff_t;
    int* left;
    int operator*() const { return *left; }
    iterator& operator++() {
      --*left;
      return *this;
    }
    void operator++(int) { --*left; }
    bool operator==(std::default_sentinel_t) const { return *left == 0; }
  };
  iterator begin() { return {&left_}; }
  static std::default_sentinel_t end() { return {}; }

 private:
  int left_;
};

TEST_P(pool_results, maps_over_a_range_that_cannot_be_assigned) {
  kin::pool workers(options(2));
  const std::vector<int> expected{9, 4, 1};
  EXPECT_EQ(workers.map(square, countdown(3)), expected);
  std::vector<int> seen;
  for (const int n : workers.imap(square, countdown(3))) seen.push_back(n);
  EXPECT_EQ(seen, expected);
}

TEST_P(pool_results, throws_the_exception_of_the_first_item_that_failed) {
  kin::pool workers(options(2));
  const auto fails = [](int n) {
    if (n >= 3) throw std::invalid_argument("item " + std::to_string(n));
    return n;
  };
  try {
    workers.map(fails, {1, 2, 3, 4}, {.chunk = 1});
    FAIL();
  } catch (const std::invalid_argument& e) {
    EXPECT_STREQ(e.what(), "item 3");
  }
  EXPECT_EQ(workers.map(fails, {1, 2}), (std::vector<int>{1, 2}));
}

TEST_P(pool_results, tells_the_progress_of_a_map_before_it_returns) {
  kin::pool workers(options(2));
  std::vector<std::size_t> seen;
  {
    // By reference: nothing may be told after map has returned.
    workers.map(square, std::views::iota(0, 40), {.chunk = 4, .progress = [&](std::size_t done, std::size_t all) {
                                                    EXPECT_EQ(all, 40u);
                                                    seen.push_back(done);
                                                  }});
  }
  EXPECT_EQ(seen.size(), 10u);
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  EXPECT_EQ(seen.back(), 40u);
  EXPECT_EQ(workers.map(square, {2}, {.progress = [](std::size_t, std::size_t) { throw 1; }}), std::vector<int>{4});
}

TEST_P(pool_results, grows_on_demand_up_to_its_size) {
  kin::pool workers(options(3));
  EXPECT_EQ(workers.size(), 3u);
  EXPECT_EQ(workers.stats().workers, 0u);
  workers.apply(square, 1);
  EXPECT_EQ(workers.stats().workers_started, 1u);
  workers.apply(square, 1);
  EXPECT_EQ(workers.stats().workers_started, 1u);
  const kin::event grown;
  std::vector<kin::future<int>> all;
  for (int i = 0; i < 9; ++i) all.push_back(workers.apply_async(wait_for, grown));
  while (workers.stats().workers_started < 3) std::this_thread::yield();
  grown.set();
  std::set<int> pids;
  for (const auto& f : all) pids.insert(f.get());
  EXPECT_LE(pids.size(), 3u);
  EXPECT_EQ(workers.stats().workers_started, 3u);
  EXPECT_EQ(workers.stats().completed, 11u);
  EXPECT_EQ(workers.stats().submitted, 11u);
}

TEST_P(pool_results, runs_higher_priorities_first) {
  kin::pool workers(options(1));
  const kin::event all_wait;
  auto blocker = workers.apply_async(wait_for, all_wait);
  std::vector<std::string> order;
  std::mutex m;
  std::vector<kin::future<int>> all;
  const auto add = [&](int priority, const char* name) {
    all.push_back(workers.apply_async({.priority = priority}, nap, 0).then([&, name](int) {
      const std::lock_guard hold(m);
      order.emplace_back(name);
    }));
  };
  add(0, "a");
  add(-5, "low");
  add(7, "high");
  add(0, "b");
  all_wait.set();
  workers.close();
  workers.join();
  EXPECT_EQ(order, (std::vector<std::string>{"high", "a", "b", "low"}));
}

TEST_P(pool_results, carries_64_megabytes_each_way) {
  kin::pool workers(options(2));
  std::vector<std::byte> big(64u << 20, std::byte{7});
  big.back() = std::byte{9};
  auto one = workers.apply_async([](std::vector<std::byte> b) { return b; }, big);
  auto two = workers.apply_async([](const std::vector<std::byte>& b) { return b.size(); }, big);
  auto three = workers.apply_async([](std::size_t n) { return std::string(n, 'x'); }, big.size());
  EXPECT_EQ(one.get(), big);
  EXPECT_EQ(two.get(), big.size());
  EXPECT_EQ(three.get().size(), big.size());
}

TEST_P(pool_results, carries_300_descriptors_each_way) {
  kin::pool workers(options(1));
  std::vector<kin::unique_fd> fds;
  for (int i = 0; i < 300; ++i) fds.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  auto back = workers.apply([](std::vector<kin::unique_fd> f) { return f; }, std::move(fds));
  ASSERT_EQ(back.size(), 300u);
  struct stat s {};
  EXPECT_EQ(::fstat(back[299].get(), &s), 0);
}

TEST_P(pool_results, serves_16_threads_at_once) {
  if (GetParam() == kin::start::fork) GTEST_SKIP() << "start::fork refuses a program with threads of its own";
  kin::pool workers(options(2));
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i)
        if (workers.apply(square, t * 20 + i) != (t * 20 + i) * (t * 20 + i)) ++wrong;
      if (workers.map(square, {t}) != std::vector<int>{t * t}) ++wrong;
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(pool_results, may_be_made_in_a_task) {
  kin::pool workers(options(1));
  const auto nested = [](kin::pool_options) { return 0; };
  (void)nested;
  EXPECT_EQ(workers.apply([] {
    kin::pool inner(2);
    return inner.apply(
        [](int n) {
          kin::pool innermost(1);
          return innermost.apply(square, n);
        },
        5);
  }),
            25);
}

TEST_P(pool_results, runs_its_initializer_first_in_each_worker) {
  static int set_up = 0;
  auto o = options(2);
  o.initializer = kin::bind([](int n) { set_up = n; }, 42);
  kin::pool workers(std::move(o));
  for (const int n : workers.map([](int) { return set_up; }, std::views::iota(0, 20), {.chunk = 1})) EXPECT_EQ(n, 42);
}

TEST_P(pool_results, tells_what_happens_to_its_workers) {
  std::mutex m;
  std::vector<kin::worker_event::kind> events;
  {
    auto o = options(1);
    o.on_worker_event = [&](const kin::worker_event& e) {
      const std::lock_guard hold(m);
      events.push_back(e.what);
      throw std::runtime_error("ignored");
    };
    kin::pool workers(std::move(o));
    workers.apply(square, 1);
    EXPECT_THROW(workers.apply(die_by, SIGKILL), kin::worker_lost);
    workers.apply(square, 1);
  }
  using k = kin::worker_event::kind;
  EXPECT_THAT(events, testing::ElementsAre(k::started, k::ready, k::lost, k::started, k::ready, k::retired));
}

TEST_P(pool_results, passes_the_options_of_processes_on) {
  auto o = options(1);
  o.process.name = "mill";
  o.process.environment = {{"KIN_TEST_COLOUR", "blue"}};
  o.process.working_directory = "/";
  kin::pool workers(std::move(o));
  EXPECT_EQ(workers.apply([] {
    const char* const colour = std::getenv("KIN_TEST_COLOUR");
    return std::string(colour ? colour : "unset");
  }),
            "blue");
  EXPECT_EQ(workers.apply([] {
    char path[64];
    return std::string(::getcwd(path, sizeof path));
  }),
            "/");
}

}  // namespace
}  // namespace kin_test
