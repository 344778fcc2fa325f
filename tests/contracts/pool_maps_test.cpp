// SPDX-License-Identifier: BSL-1.0
// What comes back from map and starmap, over which ranges and in which order, from whatever workers.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <forward_list>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <ranges>
#include <set>
#include <sstream>
#include <string_view>
#include <tuple>

#include <kin/array.hpp>
#include <kin/event.hpp>

#include "contracts/any_pool_contract.hpp"

namespace kin_test {
namespace {
class pool_maps : public any_pool_contract {};
KIN_ANY_POOL_CONTRACT(pool_maps);

KIN_ANY_POOL_TEST(pool_maps, keeps_the_order_of_a_map) {
  Pool workers(options(3));
  std::vector<int> in(500);
  std::iota(in.begin(), in.end(), 0);
  const auto out = workers.map(square, in);
  ASSERT_EQ(out.size(), in.size());
  for (int i : in) EXPECT_EQ(out[static_cast<std::size_t>(i)], i * i);
  EXPECT_EQ(workers.map(square, in, {.chunk = 1}), out);
  EXPECT_EQ(workers.map(square, in, {.chunk = 499}), out);
  EXPECT_EQ(workers.map(square, in, {.chunk = 100000}), out);
}

KIN_ANY_POOL_TEST(pool_maps, maps_over_any_range) {
  Pool workers(options(2));
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

struct fails_at_first {
  kin::array<int> attempts;
  kin::array<int> callers;  // where it ran in process `caller`
  int caller;
  int operator()(int n) const {
    const auto i = static_cast<std::size_t>(n);
    if (::getpid() == caller) std::atomic_ref(callers[i]).store(1);
    if (std::atomic_ref(attempts[i]).fetch_add(1) == 0) throw kin::retryable("again");
    return n * n;
  }
};

unsigned square_of_lower(int n) { return static_cast<unsigned>(n & 0xff) * static_cast<unsigned>(n & 0xff); }

KIN_ANY_POOL_TEST(pool_maps, take_a_chunk_larger_than_all_for_all) {
  Pool workers(options(2));
  std::vector<int> items(100'000);
  std::iota(items.begin(), items.end(), 0);
  const std::vector<unsigned> right = workers.map(square_of_lower, items);
  const kin::array<int> in(items.size());
  std::ranges::copy(items, in.begin());
  for (const std::size_t chunk :
       {std::size_t{50'000'000}, std::size_t{1} << 62, (std::size_t{1} << 63) - 1,
        std::numeric_limits<std::size_t>::max() - 1, std::numeric_limits<std::size_t>::max()}) {
    const kin::map_options all{.chunk = chunk};
    EXPECT_EQ(workers.map(square_of_lower, items, all), right) << chunk;
    EXPECT_EQ(workers.map_async(square_of_lower, items, all).get(), right) << chunk;
    EXPECT_TRUE(std::ranges::equal(workers.map(square_of_lower, in, all), right)) << chunk;
    const kin::array<unsigned> out(items.size());
    workers.map(square_of_lower, in, out, all);
    EXPECT_TRUE(std::ranges::equal(out, right)) << chunk;
    EXPECT_EQ(workers.starmap([](int a, int b) { return a + b; }, std::vector{std::tuple(1, 2)}, all).at(0), 3);
    unsigned sum = 0;
    for (const unsigned n : workers.imap(square_of_lower, std::vector{1, 2, 3}, all)) sum += n;
    EXPECT_EQ(sum, 14u) << chunk;
  }
}

KIN_ANY_POOL_TEST(pool_maps, tries_again_what_the_caller_runs_as_what_workers_run) {
  Pool workers(options(1));
  const kin::event is_busy, go_on;
  const auto busy =
      workers.apply_async([](const kin::event& a, const kin::event& b) { a.set(), b.wait(); }, is_busy, go_on);
  is_busy.wait();
  const std::vector<int> numbers{0, 1, 2, 3};
  const std::vector<int> expected{0, 1, 4, 9};
  fails_at_first f{kin::array<int>(4), kin::array<int>(4), ::getpid()};
  EXPECT_EQ(workers.map(f, numbers, {.chunk = 1, .caller_takes_part = true, .task = {.retries = 1}}), expected);
  EXPECT_TRUE(std::ranges::equal(f.attempts, std::vector{2, 2, 2, 2}));
  EXPECT_TRUE(std::ranges::equal(f.callers, std::vector{1, 1, 1, 1}));
  EXPECT_EQ(workers.stats().retried, 4U);
  f.attempts = kin::array<int>(4);
  try {
    (void)workers.map(f, numbers, {.chunk = 1, .caller_takes_part = true});
    ADD_FAILURE() << "no exception";
  } catch (const kin::retryable&) {
  }
  go_on.set();
}

KIN_ANY_POOL_TEST(pool_maps, maps_over_bools_and_to_bools) {
  Pool workers(options(2));
  EXPECT_EQ(workers.map([](int n) { return n % 2 == 0; }, {1, 2, 3, 4}), (std::vector<bool>{false, true, false, true}));
  EXPECT_EQ(workers.map([](bool b) { return b ? 1 : 0; }, std::vector<bool>{true, false, true}),
            (std::vector<int>{1, 0, 1}));
  EXPECT_EQ(workers.map([](bool b) { return !b; }, {true, false}), (std::vector<bool>{false, true}));
}

KIN_ANY_POOL_TEST(pool_maps, maps_what_can_only_be_moved) {
  Pool workers(options(2));
  auto boxes = workers.map([](int n) { return std::make_unique<int>(n); }, {1, 2, 3});
  ASSERT_EQ(boxes.size(), 3u);
  EXPECT_EQ(*boxes[2], 3);
  auto back =
      workers.map([](std::unique_ptr<int> p) { return *p; },
                  std::ranges::subrange(std::make_move_iterator(boxes.begin()), std::make_move_iterator(boxes.end())));
  EXPECT_EQ(back, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(*workers.apply([](std::unique_ptr<int> p) { return p; }, std::make_unique<int>(5)), 5);
}

KIN_ANY_POOL_TEST(pool_maps, maps_a_callable_without_result) {
  Pool workers(options(2));
  static_assert(std::is_void_v<decltype(workers.map([](int) {}, std::vector<int>{}))>);
  workers.map([](int) {}, {1, 2, 3});
  EXPECT_THROW(workers.map(
                   [](int n) {
                     if (n == 2) throw std::out_of_range("two");
                   },
                   {1, 2, 3}),
               std::out_of_range);
}

KIN_ANY_POOL_TEST(pool_maps, spreads_the_elements_of_tuples) {
  Pool workers(options(2));
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

KIN_ANY_POOL_TEST(pool_maps, spreads_literals_views_and_arrays_like_arguments) {
  Pool workers(options(2));
  const auto count = [](std::string_view text, int n) { return static_cast<int>(text.size()) + n; };
  EXPECT_EQ(workers.starmap(count, {std::tuple{"ab", 1}, std::tuple{"c", 2}}), (std::vector<int>{3, 3}));
  EXPECT_EQ(workers.starmap(count, std::vector<std::pair<std::string_view, int>>{{"ab", 1}}), std::vector<int>{3});
  EXPECT_EQ(workers.starmap([](int a, int b, int c) { return a + b * c; }, std::vector<std::array<int, 3>>{{1, 2, 3}}),
            std::vector<int>{7});
}

KIN_ANY_POOL_TEST(pool_maps, takes_items_that_only_move_out_of_a_range_that_is_handed_over) {
  Pool workers(options(2));
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

KIN_ANY_POOL_TEST(pool_maps, leaves_items_that_can_be_copied_where_they_are) {
  Pool workers(options(2));
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

KIN_ANY_POOL_TEST(pool_maps, maps_over_a_range_that_cannot_be_assigned) {
  Pool workers(options(2));
  const std::vector<int> expected{9, 4, 1};
  EXPECT_EQ(workers.map(square, countdown(3)), expected);
  std::vector<int> seen;
  for (const int n : workers.imap(square, countdown(3))) seen.push_back(n);
  EXPECT_EQ(seen, expected);
}

KIN_ANY_POOL_TEST(pool_maps, tells_the_progress_of_a_map_before_it_returns) {
  Pool workers(options(2));
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

KIN_ANY_POOL_TEST(pool_maps, throws_the_exception_of_the_first_item_that_failed) {
  Pool workers(options(2));
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

KIN_ANY_POOL_TEST(pool_maps, lets_the_caller_take_part) {
  Pool workers(options(1));
  workers.apply(square, 1);
  // Neither goes on before the other one has begun an item.
  const kin::event caller_has_one, worker_has_one;
  const auto meet = kin::bind(
      [](const kin::event& at_caller, const kin::event& at_worker, int caller, int) {
        const int self = ::gettid();  // a number that no other thread has in any process
        (self == caller ? at_caller : at_worker).set();
        (self == caller ? at_worker : at_caller).wait();
        return self;
      },
      caller_has_one, worker_has_one, static_cast<int>(::gettid()));
  const auto threads = workers.map(meet, std::vector<int>(20), {.chunk = 1, .caller_takes_part = true});
  const std::set<int> different(threads.begin(), threads.end());
  EXPECT_EQ(different.size(), 2u);
  EXPECT_TRUE(different.contains(::gettid()));
  EXPECT_THROW(workers.map([](int) { throw std::out_of_range("x"); }, {1, 2}, {.caller_takes_part = true}),
               std::out_of_range);
  EXPECT_EQ(workers.map(square, std::views::iota(0, 100), {.caller_takes_part = true}).at(99), 9801);
}

}  // namespace
}  // namespace kin_test
