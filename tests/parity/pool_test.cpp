// SPDX-License-Identifier: BSL-1.0
// What CPython's own tests ask of a Pool, asked of kin::pool by every start method.
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <ranges>
#include <set>

#include <kin/process.hpp>
#include <kin/queue.hpp>
#include <kin/semaphore.hpp>
#include <kin/value.hpp>

#include "parity/python_pool.hpp"

namespace kin_test {
namespace {
class python_pool : public pool_contract {};
KIN_POOL_CONTRACT(python_pool);

std::vector<int> numbers(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}
std::vector<int> squares(int n) {
  std::vector<int> all = numbers(n);
  for (int& each : all) each *= each;
  return all;
}

// --- values come back as from a plain call ---------------------------------------------------------------------------

TEST_P(python_pool, applies_as_a_plain_call_does) {
  kin::pool workers(options(3));
  EXPECT_EQ(workers.apply(square, 5), square(5));
  EXPECT_EQ(workers.apply(multiply, 6, 7), multiply(6, 7));
  EXPECT_EQ(workers.apply_async(square, 8).get(), 64);
}

TEST_P(python_pool, maps_as_a_plain_loop_does_whatever_the_chunks) {
  kin::pool workers(options(3));
  EXPECT_EQ(workers.map(square, numbers(10)), squares(10));
  EXPECT_EQ(workers.map(square, numbers(100), {.chunk = 20}), squares(100));
  for (const int chunk : {1, 7, 99, 100, 101, 1000})
    EXPECT_EQ(workers.map(square, numbers(100), {.chunk = chunk}), squares(100)) << "chunks of " << chunk;
  EXPECT_EQ(workers.map_async(square, numbers(50)).get(), squares(50));
  EXPECT_THROW(workers.map(square, numbers(3), {.chunk = -1}), std::out_of_range);
}

TEST_P(python_pool, spreads_tuples_over_arguments) {
  kin::pool workers(options(3));
  std::vector<std::pair<int, int>> pairs;
  std::vector<int> products;
  for (int i = 0; i < 100; ++i) {
    pairs.emplace_back(i, 99 - i);
    products.push_back(i * (99 - i));
  }
  EXPECT_EQ(workers.starmap(multiply, pairs), products);
  EXPECT_EQ(workers.starmap(multiply, pairs, {.chunk = 20}), products);
  EXPECT_EQ(workers.starmap_async(multiply, pairs).get(), products);
  EXPECT_TRUE(workers.starmap(multiply, std::vector<std::pair<int, int>>{}).empty());
}

TEST_P(python_pool, maps_nothing_to_nothing_at_once) {
  kin::pool workers(options(2));
  const std::vector<int> none;
  EXPECT_TRUE(workers.map(square, none).empty());
  EXPECT_TRUE(workers.map(square, none, {.chunk = 1}).empty());
  EXPECT_TRUE(workers.map_async(square, none).get_for(30s)->empty());
  EXPECT_TRUE(workers.starmap_async(multiply, std::vector<std::pair<int, int>>{}).get_for(30s)->empty());
  for (const int each : workers.imap(square, none)) ADD_FAILURE() << each;
  for (const int each : workers.imap_unordered(square, none)) ADD_FAILURE() << each;
  EXPECT_EQ(workers.stats().workers_started, 0u);  // nothing was to be done
}

TEST_P(python_pool, gives_imap_in_order_and_imap_unordered_in_any) {
  kin::pool workers(options(3));
  for (const int chunk : {1, 100}) {
    std::vector<int> ordered, unordered;
    for (const int each : workers.imap(square, numbers(1000), {.chunk = chunk})) ordered.push_back(each);
    EXPECT_EQ(ordered, squares(1000));
    for (const int each : workers.imap_unordered(square, numbers(1000), {.chunk = chunk})) unordered.push_back(each);
    std::ranges::sort(unordered);
    EXPECT_EQ(unordered, squares(1000));
  }
  auto lazy = workers.imap(square, std::views::iota(0));
  auto it = lazy.begin();
  for (int n = 0; n < 50; ++n, ++it) EXPECT_EQ(*it, n * n);
}

TEST_P(python_pool, gives_unordered_results_past_one_that_is_not_ready) {
  kin::pool workers(options(2));
  const kin::counting_semaphore gate(0);
  const auto waits_for_0 = [](const std::pair<int, kin::counting_semaphore>& item) {
    if (item.first == 0) item.second.acquire();
    return item.first;
  };
  std::vector<std::pair<int, kin::counting_semaphore>> items;
  for (int i = 0; i < 5; ++i) items.emplace_back(i, gate);
  std::vector<int> seen;
  for (const int each : workers.imap_unordered(waits_for_0, items)) {
    seen.push_back(each);
    if (seen.size() == 4) gate.release();
  }
  EXPECT_EQ(seen.back(), 0);
  EXPECT_EQ(seen.size(), 5u);
}

TEST_P(python_pool, carries_what_is_larger_than_any_buffer) {
  kin::pool workers(options(2));
  const std::string big(std::size_t{8} << 20, 'k');
  EXPECT_EQ(workers.apply([](std::string s) { return s + "!"; }, big), big + "!");
  const std::vector<std::string> several(6, std::string(std::size_t{2} << 20, 'x'));
  EXPECT_EQ(workers.map([](std::string s) { return s; }, several, {.chunk = 1}), several);
  std::vector<long> many(std::size_t{1} << 20, 3);
  const auto tripled = workers.map([](long n) { return 3 * n; }, many);
  EXPECT_EQ(std::accumulate(tripled.begin(), tripled.end(), 0L), 9L << 20);
}

// --- waiting ---------------------------------------------------------------------------------------------------------

TEST_P(python_pool, is_asynchronous_when_asked) {
  kin::pool workers(options(1));
  const kin::counting_semaphore gate(0);
  auto f = workers.apply_async(
      [](const kin::counting_semaphore& g, int n) {
        g.acquire();
        return n;
      },
      gate, 7);
  EXPECT_FALSE(f.ready());
  EXPECT_THROW((void)f.successful(), std::logic_error);
  EXPECT_FALSE(f.wait_for(1ms));
  gate.release();
  EXPECT_EQ(f.get_for(30s), 7);
  EXPECT_TRUE(f.ready());
  EXPECT_TRUE(f.successful());
}

TEST_P(python_pool, gives_up_waiting_in_time_and_no_sooner) {
  kin::pool workers(options(1));
  const kin::counting_semaphore gate(0);
  auto f = workers.apply_async([](const kin::counting_semaphore& g) { g.acquire(); }, gate);
  const auto start = clock::now();
  EXPECT_FALSE(f.get_for(100ms));
  EXPECT_GE(ms_since(start), 100.0);
  gate.release();
  f.get();
}

// --- callbacks -------------------------------------------------------------------------------------------------------

TEST_P(python_pool, hands_a_callback_the_whole_list_or_the_error_once) {
  std::vector<std::vector<int>> lists;
  std::vector<std::string> errors;
  {
    kin::pool workers(options(2));
    for (const std::vector<int>& items : {std::vector<int>{1, 2, 3}, std::vector<int>{4}, std::vector<int>{}})
      workers.map_async(square, items)
          .then([&](const std::vector<int>& list) { lists.push_back(list); })
          .on_error([&](const std::exception& e) { errors.emplace_back(e.what()); });
    workers.map_async(throw_for_negative, {1, -2, 3}, {.chunk = 1})
        .then([&](const std::vector<int>& list) { lists.push_back(list); })
        .on_error([&](const std::exception& e) { errors.emplace_back(e.what()); });
    workers.close();
    workers.join();
  }
  EXPECT_THAT(lists,
              testing::UnorderedElementsAre(std::vector<int>{1, 4, 9}, std::vector<int>{16}, std::vector<int>{}));
  EXPECT_THAT(errors, testing::ElementsAre("negative: -2"));
}

// --- failures --------------------------------------------------------------------------------------------------------

TEST_P(python_pool, brings_an_exception_back_with_its_story) {
  kin::pool workers(options(1));
  try {
    workers.apply([] { throw std::overflow_error("123"); });
    FAIL();
  } catch (const std::overflow_error& e) {
    EXPECT_STREQ(e.what(), "123");
    const auto* story = dynamic_cast<const kin::remote_info*>(&e);
    ASSERT_NE(story, nullptr);
    EXPECT_EQ(story->type_name, "std::overflow_error");
    EXPECT_FALSE(story->worker.empty());
  }
}

TEST_P(python_pool, brings_the_causes_of_an_exception_back) {
  kin::pool workers(options(1));
  try {
    workers.apply([] {
      try {
        try {
          throw std::out_of_range("the first cause");
        } catch (...) {
          std::throw_with_nested(std::invalid_argument("the second"));
        }
      } catch (...) {
        std::throw_with_nested(std::runtime_error("what came of it"));
      }
    });
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_STREQ(e.what(), "what came of it");
    try {
      std::rethrow_if_nested(e);
      FAIL();
    } catch (const std::invalid_argument& second) {
      EXPECT_STREQ(second.what(), "the second");
      EXPECT_THROW(std::rethrow_if_nested(second), std::out_of_range);
    }
  }
}

TEST_P(python_pool, finishes_a_map_before_it_throws_what_failed_early) {
  kin::pool workers(options(2));
  const kin::value<int> finished{0};
  const kin::counting_semaphore gate(0);
  struct item {
    int n;
    kin::value<int> finished;
    kin::counting_semaphore gate;
  };
  std::vector<item> items;
  for (int n = 0; n < 4; ++n) items.push_back({n, finished, gate});
  EXPECT_THROW(workers.map(
                   [](const item& i) {
                     if (i.n == 0) {
                       i.gate.release(3);
                       throw std::range_error("at once");
                     }
                     i.gate.acquire();
                     std::this_thread::sleep_for(20ms);
                     i.finished.fetch_add(1);
                   },
                   items, {.chunk = 1}),
               std::range_error);
  EXPECT_EQ(finished, 3);
}

TEST_P(python_pool, throws_what_its_input_throws_and_goes_on) {
  kin::pool workers(options(2));
  for (const int bad : {0, 1, 10, 29}) {
    EXPECT_THROW(workers.map(square, failing_input{bad}), std::underflow_error);
    EXPECT_THROW(workers.map(square, failing_input{bad}, {.chunk = 1}), std::underflow_error);
    EXPECT_THROW((void)workers.map_async(square, failing_input{bad}), std::underflow_error);
    EXPECT_EQ(workers.apply(square, 3), 9);
  }
}

TEST_P(python_pool, gives_what_an_input_gave_before_it_failed) {
  kin::pool workers(options(2));
  for (const int chunk : {1, 2, 7})
    for (const bool ordered : {true, false}) {
      std::vector<int> seen;
      bool failed = false;
      const auto take = [&](auto results) {
        try {
          for (const int each : results) seen.push_back(each);
        } catch (const std::underflow_error&) {
          failed = true;
        }
      };
      if (ordered)
        take(workers.imap(square, failing_input{20}, {.chunk = chunk}));
      else
        take(workers.imap_unordered(square, failing_input{20}, {.chunk = chunk}));
      std::ranges::sort(seen);
      EXPECT_TRUE(failed);
      EXPECT_EQ(seen, squares(20)) << "chunks of " << chunk << (ordered ? "" : ", unordered");
    }
}

TEST_P(python_pool, lets_a_loop_go_on_after_an_item_of_an_imap_that_failed) {
  kin::pool workers(options(2));
  auto results = workers.imap(throw_for_negative, {0, 1, -2, 3, -4, 5});
  std::string story;
  for (auto it = results.begin(); it != results.end(); ++it) try {
      story += std::to_string(*it);
    } catch (const std::domain_error&) {
      story += "x";
    }
  EXPECT_EQ(story, "01x3x5");
}

}  // namespace
}  // namespace kin_test
namespace kin_test {
struct never_encoded {
  int n = 0;
};
struct never_built : std::runtime_error {
  never_built() : std::runtime_error("cannot be built again") {}
};
}  // namespace kin_test
template <>
struct kin::codec<kin_test::never_encoded> {
  static void encode(kin::writer& out, const kin_test::never_encoded& it) {
    if (it.n == 2) throw std::logic_error("this one does not go");
    out.put(it.n);
  }
  static kin_test::never_encoded decode(kin::reader& in) { return {in.take<int>()}; }
};
template <>
struct kin::codec<kin_test::never_built> {
  static void encode(kin::writer& out, const kin_test::never_built&) { out.put(1); }
  static kin_test::never_built decode(kin::reader& in) {
    (void)in.take<int>();
    throw std::bad_function_call();
  }
};
namespace kin_test {
inline const kin::transportable<never_built> never_built_registration;
namespace {

TEST_P(python_pool, refuses_a_map_of_items_that_cannot_be_encoded) {
  kin::pool workers(options(2));
  std::vector<never_encoded> items(4);
  for (int n = 0; n < 4; ++n) items[static_cast<std::size_t>(n)].n = n;
  const auto number = [](const never_encoded& it) { return it.n; };
  for (const int chunk : {1, 2, 4}) {
    EXPECT_THROW(workers.map(number, items, {.chunk = chunk}), std::logic_error);
    EXPECT_THROW((void)workers.map_async(number, items, {.chunk = chunk}), std::logic_error);
  }
  std::vector<int> seen;
  try {
    for (const int n : workers.imap(number, items)) seen.push_back(n);
    ADD_FAILURE() << "no exception";
  } catch (const std::logic_error&) {
    EXPECT_EQ(seen, (std::vector<int>{0, 1}));
  }
  EXPECT_EQ(workers.apply(square, 4), 16);
}

TEST_P(python_pool, fails_each_of_many_tasks_whose_results_cannot_be_encoded) {
  kin::pool workers(options(2));
  for (int i = 0; i < 20; ++i)
    EXPECT_THAT(failure_of(workers.apply_async([] { return never_encoded{2}; })),
                testing::AllOf(testing::StartsWith("encode_error"), HasSubstr("this one does not go")));
  EXPECT_EQ(workers.stats().workers_started, workers.stats().workers);
}

never_encoded make_one(int n) { return {n}; }
never_encoded make_sum(int a, int b) { return {a + b}; }
TEST_P(python_pool, names_the_function_of_a_map_whose_results_cannot_be_encoded) {
  kin::pool workers(options(1));
  EXPECT_THAT(failure_of(workers.map_async(make_one, {1, 2})), HasSubstr("make_one(int) could not be encoded"));
  EXPECT_THAT(failure_of(workers.map_async(kin::bind(make_sum, 1), {1, 2})),
              HasSubstr("make_sum(int, int) could not be encoded"));
  EXPECT_THAT(failure_of(workers.starmap_async(make_sum, std::vector<std::pair<int, int>>{{1, 1}})),
              HasSubstr("make_sum(int, int) could not be encoded"));
}

TEST_P(python_pool, tells_of_an_exception_that_cannot_be_built_again) {
  kin::pool workers(options(1));
  EXPECT_THAT(failure_of(workers.apply_async([] { throw never_built(); })), HasSubstr("cannot be built again"));
  EXPECT_EQ(workers.apply(square, 4), 16);
}

// --- ends ------------------------------------------------------------------------------------------------------------

TEST_P(python_pool, ends_at_once_with_10000_tasks_waiting) {
  std::vector<kin::future<int>> all;
  const kin::queue<int> running;
  {
    kin::pool workers(options(3));
    for (int i = 0; i < 10000; ++i)
      all.push_back(workers.apply_async(
          [](const kin::queue<int>& tell, int n) {
            tell.put(n);
            return nap(60000);
          },
          running, i));
    EXPECT_TRUE(running.get_for(60s));
    const auto start = clock::now();
    workers.terminate();
    workers.join();
    EXPECT_LT(ms_since(start), 1000.0 * patience);
  }
  for (const auto& f : all) EXPECT_THROW((void)f.get(), kin::cancelled_error);
}

TEST_P(python_pool, ends_a_map_that_nobody_waits_for) {
  const auto start = clock::now();
  {
    kin::pool workers(options(3));
    (void)workers.map_async(nap, std::vector<int>(10000, 100), {.chunk = 1});
    workers.terminate();
    workers.join();
  }
  EXPECT_LT(ms_since(start), 3000.0 * patience);
}

TEST_P(python_pool, finishes_a_map_that_nobody_waits_for) {
  const kin::value<int> done{0};
  {
    kin::pool workers(options(2));
    (void)workers.map_async([](const kin::value<int>& n) { n.fetch_add(1); }, std::vector(20, done), {.chunk = 3});
    (void)workers.map_async(throw_for_negative, {1, -2, 3}, {.chunk = 1});
  }
  EXPECT_EQ(done, 20);
}

TEST_P(python_pool, takes_nothing_after_its_end) {
  for (const bool at_once : {false, true}) {
    kin::pool workers(options(2));
    auto before = workers.apply_async(square, 3);
    before.wait();
    at_once ? workers.terminate() : workers.close();
    EXPECT_THROW(workers.apply(square, 2), kin::closed_error);
    EXPECT_THROW((void)workers.apply_async(square, 2), kin::closed_error);
    EXPECT_THROW(workers.map(square, {1, 2}), kin::closed_error);
    EXPECT_THROW((void)workers.map_async(square, {1, 2}), kin::closed_error);
    EXPECT_THROW((void)workers.starmap_async(multiply, {std::pair(1, 2)}), kin::closed_error);
    EXPECT_THROW((void)workers.imap(square, {1, 2}).begin(), kin::closed_error);
    EXPECT_THROW((void)workers.imap_unordered(square, {1, 2}).begin(), kin::closed_error);
    workers.join();
    workers.join();
    EXPECT_EQ(before.get(), 9);
  }
}

TEST_P(python_pool, finishes_its_map_when_its_scope_ends) {
  kin::future<std::vector<int>> squared;
  {
    kin::pool workers(options(2));
    squared = workers.map_async(square, numbers(30), {.chunk = 1});
  }
  EXPECT_TRUE(squared.ready());
  EXPECT_EQ(squared.get(), squares(30));
}

TEST_P(python_pool, runs_what_its_workers_registered_for_their_exit) {
  const kin::queue<int> farewells;
  static const kin::queue<int>* here;
  auto o = options(2);
  o.initializer = kin::bind(
      [](const kin::queue<int>& q) {
        here = new kin::queue<int>(q);  // as long as the process
        std::atexit([] { here->put(::getpid()); });
      },
      farewells);
  std::set<int> pids;
  {
    kin::pool workers(std::move(o));
    for (const int pid : workers.map(nap, std::vector<int>(8, 5), {.chunk = 1})) pids.insert(pid);
  }
  std::set<int> told;
  while (auto pid = farewells.try_get()) told.insert(*pid);
  // A forked child leaves by _exit: the handlers are its parent's.
  if (GetParam() == kin::start::fork) pids.clear();
  EXPECT_TRUE(std::ranges::includes(told, pids));
  EXPECT_EQ(told.empty(), GetParam() == kin::start::fork);
}

// --- workers ---------------------------------------------------------------------------------------------------------

TEST_P(python_pool, refuses_sizes_that_cannot_be_and_takes_the_machines_for_none) {
  EXPECT_THROW(kin::pool(options(-1)), std::out_of_range);
  EXPECT_THROW(kin::pool(options(4097)), std::out_of_range);
  EXPECT_EQ(kin::pool(options(4096)).size(), 4096u);
  EXPECT_THROW(
      {
        auto o = options(1);
        o.max_tasks_per_worker = -1;
      },
      std::out_of_range);
  kin::pool machine(options(0));
  EXPECT_EQ(machine.size(), kin::cpu_count());
  EXPECT_EQ(kin::pool(options(3)).size(), 3u);
}

TEST_P(python_pool, replaces_workers_that_have_run_their_number_of_tasks) {
  auto o = options(3);
  o.max_tasks_per_worker = 10;
  kin::pool workers(std::move(o));
  std::map<int, int> tasks_of;
  for (const int pid : workers.map([](int) { return own_pid(); }, numbers(100), {.chunk = 1})) ++tasks_of[pid];
  EXPECT_GE(tasks_of.size(), 10u);
  for (const auto& [pid, tasks] : tasks_of) EXPECT_LE(tasks, 10) << pid;
}

TEST_P(python_pool, finishes_what_was_submitted_when_closed_although_each_worker_runs_one_task) {
  auto o = options(3);
  o.max_tasks_per_worker = 1;
  kin::pool workers(std::move(o));
  std::vector<kin::future<int>> all;
  for (int i = 0; i < 6; ++i) all.push_back(workers.apply_async(square, i));
  workers.close();
  workers.join();
  for (int i = 0; i < 6; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i * i);
}

// Neither the caller nor a worker keeps what a task was made of once the task has ended.
struct counted {
  inline static int alive = 0;
  int n = 0;
  counted() { ++alive; }
  explicit counted(int number) : n(number) { ++alive; }
  counted(const counted& other) : n(other.n) { ++alive; }
  counted& operator=(const counted&) = default;
  ~counted() { --alive; }
  template <class Archive>
  void serialize(Archive& ar) {
    ar(n);
  }
};
TEST_P(python_pool, lets_go_of_what_its_tasks_were_made_of) {
  kin::pool workers(options(2));
  const auto alive_by_pid = [&] {
    std::map<int, int> alive;
    for (const auto& [pid, n] : workers.map(
             [](int) {
               std::this_thread::sleep_for(5ms);
               return std::pair(::getpid(), counted::alive);
             },
             numbers(8), {.chunk = 1}))
      alive[pid] = n;
    return alive;
  };
  const int before = counted::alive;
  const auto before_there = alive_by_pid();
  {
    std::vector<counted> items;
    for (int i = 0; i < 10; ++i) items.emplace_back(i);
    const auto out = workers.map([](const counted& c) { return counted(c.n + 1); }, items, {.chunk = 1});
    EXPECT_EQ(out.back().n, 10);
    EXPECT_EQ(counted::alive, before + 20);
  }
  EXPECT_EQ(counted::alive, before);
  for (const auto& [pid, alive] : alive_by_pid()) {
    if (before_there.contains(pid)) {
      EXPECT_EQ(alive, before_there.at(pid));
    }
  }
}

TEST_P(python_pool, runs_its_initializer_in_a_worker_that_replaces_another) {
  static int set = 0;
  auto o = options(1);
  o.initializer = kin::bind([](int n) { set = n; }, 42);
  o.max_tasks_per_worker = 1;
  kin::pool workers(std::move(o));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(workers.apply([] { return set; }), 42);
  EXPECT_EQ(set, 0);
}

}  // namespace
}  // namespace kin_test
