// SPDX-License-Identifier: BSL-1.0
// Promise 9: tasks submit to their own pool and wait, and never deadlock; by processes and by threads.
#include <algorithm>
#include <latch>
#include <ranges>
#include <set>
#include <thread>

#include <kin/array.hpp>
#include <kin/event.hpp>
#include <kin/pipe.hpp>
#include <kin/thread_pool.hpp>
#include <kin/value.hpp>

#include "contracts/pool_contract.hpp"
#include "support/eventually.hpp"

namespace kin_test {
namespace {
class own_pool : public pool_contract {};
KIN_POOL_CONTRACT(own_pool);

int fibonacci(int n) {
  if (n < 2) return n;
  auto a = kin::current_pool().apply_async(fibonacci, n - 1);
  auto b = kin::current_pool().apply_async(fibonacci, n - 2);
  return a.get() + b.get();
}
int dive(int levels) { return levels == 0 ? 0 : 1 + kin::current_pool().apply(dive, levels - 1); }
std::vector<int> squares(int n) { return kin::current_pool().map(square, std::views::iota(0, n), {.chunk = 1}); }

TEST_P(own_pool, of_one_worker_runs_what_its_task_submits_and_waits_for) {
  kin::pool workers(options(1));
  EXPECT_EQ(workers.apply([](int n) { return kin::current_pool().apply(square, n) + 1; }, 5), 26);
  EXPECT_EQ(workers.apply(squares, 5), (std::vector<int>{0, 1, 4, 9, 16}));
  EXPECT_EQ(workers.apply(dive, 5), 5);
  EXPECT_EQ(workers.apply(square, 3), 9);
}

TEST_P(own_pool, runs_a_recursion) {
  kin::pool workers(options(2));
  EXPECT_EQ(workers.apply(fibonacci, 6), 8);
  EXPECT_EQ(workers.map(fibonacci, {1, 2, 3, 4, 5}), (std::vector<int>{1, 1, 2, 3, 5}));
}

TEST_P(own_pool, waits_in_every_way_that_there_is) {
  kin::pool workers(options(1));
  EXPECT_EQ(workers.apply([] {
    kin::pool& mine = kin::current_pool();
    int sum = 0;
    for (int v : mine.imap(square, std::views::iota(0, 4))) sum += v;            // 14
    for (int v : mine.imap_unordered(square, std::views::iota(0, 4))) sum += v;  // 28
    for (const auto& f : kin::as_completed(std::vector{mine.apply_async(square, 1), mine.apply_async(square, 2)}))
      sum += f.get();  // 33
    const auto both = kin::when_all(mine.apply_async(square, 1), mine.apply_async(square, 3));
    sum += std::get<1>(both.get());                                                    // 42
    sum += mine.map_async(square, {1, 2}).get().back();                                // 46
    mine.map(square, {1, 2}, {.progress = [&](std::size_t, std::size_t) { ++sum; }});  // 48
    sum += mine.map(square, {1, 2}, {.caller_takes_part = true}).back();               // 52
    std::atomic<int> called{0};
    auto f = mine.apply_async(square, 2).then([&](int v) { called = v; });
    f.wait();
    while (called == 0) std::this_thread::yield();
    sum += called;  // 56
    int elsewhere = 0;
    std::thread other([&] { elsewhere = kin::current_pool().apply(square, 2); });
    other.join();
    return sum + elsewhere;  // 60; a thread of the task's that waits is the task that waits
  }),
            60);
}

TEST_P(own_pool, makes_way_for_tasks_that_are_waited_for_beside_other_things) {
  kin::pool workers(options(1));
  EXPECT_EQ(workers.apply([] {
    auto [a, b] = kin::pipe();
    auto inner = kin::current_pool().apply_async(square, 3);
    const auto ready = kin::wait({a, inner});
    return ready.contains(inner) && !ready.contains(a) ? inner.get() : -1;
  }),
            9);
}

TEST_P(own_pool, brings_failures_of_inner_tasks_to_the_outer_one) {
  kin::pool workers(options(1));
  EXPECT_THROW(workers.apply([] { kin::current_pool().apply([] { throw std::out_of_range("inner"); }); }),
               std::out_of_range);
  EXPECT_EQ(workers
                .apply([] {
                  try {
                    kin::current_pool().apply({.name = "inner"}, die_by, SIGKILL);
                  } catch (const kin::worker_lost& e) {
                    return std::string(e.what());
                  }
                  return std::string("nothing");
                })
                .substr(0, 3),
            "kin");
  EXPECT_THROW(workers.apply([] { kin::current_pool().apply(die_by, SIGKILL); }), kin::worker_lost);
  EXPECT_THROW(workers.apply([] { kin::current_pool().apply({.timeout = 50ms}, nap, 60000); }), kin::task_timeout);
  EXPECT_EQ(workers.apply(square, 2), 4);
}

TEST_P(own_pool, keeps_going_when_tasks_die_that_wait_for_others) {
  kin::pool workers(options(1));
  auto dead = workers.apply_async([] {
    auto never = kin::current_pool().apply_async(nap, 20);
    ::raise(SIGKILL);
    return never.get();
  });
  EXPECT_THAT(failure_of(dead), testing::StartsWith("worker_lost"));
  EXPECT_EQ(workers.apply(square, 3), 9);
  EXPECT_EQ(workers.apply(dive, 2), 2);
}

TEST_P(own_pool, cancels_and_counts_from_inside) {
  kin::pool workers(options(1));
  EXPECT_EQ(workers.apply([] {
    kin::pool& mine = kin::current_pool();
    auto waits = mine.apply_async(nap, 60000);
    const bool first = waits.cancel(), second = waits.cancel();
    bool thrown = false;
    try {
      (void)waits.get();
    } catch (const kin::cancelled_error&) {
      thrown = true;
    }
    const auto stats = mine.stats();
    return std::vector<std::size_t>{first, second, thrown, stats.submitted, stats.failed, mine.size()};
  }),
            (std::vector<std::size_t>{1, 0, 1, 2, 1, 1}));
}

TEST_P(own_pool, refuses_to_be_ended_by_its_task_and_recursions_without_end) {
  kin::pool workers(options(1));
  EXPECT_THROW(workers.apply([] { kin::current_pool().close(); }), std::logic_error);
  EXPECT_THROW(workers.apply([] { kin::current_pool().join(); }), std::logic_error);
  EXPECT_THROW(workers.apply([] { kin::current_pool().terminate(); }), std::logic_error);
  EXPECT_EQ(workers.apply(square, 2), 4);
  if (!sanitized) {
    EXPECT_THROW(workers.apply(dive, 65), std::length_error);
  }
  EXPECT_EQ(workers.apply(square, 2), 4);
}

TEST_P(own_pool, runs_tasks_64_deep) {
  if (sanitized) GTEST_SKIP() << "so many sanitized processes";
  kin::pool workers(options(1));
  EXPECT_EQ(workers.apply(dive, 64), 64);
}

void submit_and_forget(const kin::value<int>& done, int n) {
  for (int i = 0; i < n; ++i)
    (void)kin::current_pool().apply_async(
        [](const kin::value<int>& counted) {
          nap(1);
          counted.fetch_add(1);
        },
        done);
}

TEST_P(own_pool, runs_what_a_task_has_forgotten_though_its_worker_is_worn_or_dies_later) {
  for (const int size : {1, 2}) {
    const kin::value<int> done{0};
    {
      auto o = options(size);
      o.max_tasks_per_worker = 1;
      kin::pool workers(std::move(o));
      workers.apply(submit_and_forget, done, 10);
    }
    EXPECT_EQ(done.load(), 10) << size;
    {
      kin::pool workers(options(size));
      workers.apply(submit_and_forget, done, 100);
      EXPECT_THROW(workers.apply_async({.priority = 1}, die_by, SIGKILL).get(), kin::worker_lost);
    }
    EXPECT_EQ(done.load(), 110) << size;
  }
}

TEST_P(own_pool, withdraws_what_a_task_has_submitted_that_dies) {
  kin::pool workers(options(1));
  const kin::value<int> done{0};
  EXPECT_THROW(workers.apply(
                   [](const kin::value<int>& counted) {
                     submit_and_forget(counted, 100);
                     ::raise(SIGKILL);
                   },
                   done),
               kin::worker_lost);
  EXPECT_EQ(workers.apply(square, 2), 4);
  workers.close();
  workers.join();
  EXPECT_LT(done.load(), 100);
}

// Each goes on for a moment while the next one runs, and waits for nothing.
void go_on(const kin::value<int>& done, int more) {
  done.fetch_add(1);
  if (more == 0) return;
  (void)kin::current_pool().apply_async(go_on, done, more - 1);
  nap(1);
}

TEST_P(own_pool, runs_a_row_of_any_length_that_waits_for_nothing) {
  const kin::value<int> done{0};
  {
    kin::pool workers(options(2));
    workers.apply(go_on, done, 199);
  }
  EXPECT_EQ(done.load(), 200);
}

// Each fails once before it submits the next.
int dive_at_the_second_attempt(const kin::array<int>& attempts, int levels) {
  if (std::atomic_ref(attempts[static_cast<std::size_t>(levels)]).fetch_add(1) == 0) throw kin::retryable("again");
  return levels == 0 ? 0
                     : 1 + kin::current_pool()
                               .apply_async({.retries = 1}, dive_at_the_second_attempt, attempts, levels - 1)
                               .get();
}
TEST(own_thread_pool, counts_how_deep_tasks_are_that_are_tried_again) {
  const kin::array<int> shallow(65), deep(66);
  kin::thread_pool workers(1);
  EXPECT_EQ(workers.apply_async({.retries = 1}, dive_at_the_second_attempt, shallow, 64).get(), 64);
  EXPECT_THROW((void)workers.apply_async({.retries = 1}, dive_at_the_second_attempt, deep, 65).get(),
               std::length_error);
}

TEST(own_thread_pool, runs_a_row_of_any_length_that_waits_for_nothing) {
  const kin::value<int> done{0};
  {
    kin::thread_pool workers(2);
    workers.apply(go_on, done, 199);
  }
  EXPECT_EQ(done.load(), 200);
}

TEST_P(own_pool, takes_tasks_of_tasks_while_it_finishes) {
  kin::future<int> f;
  {
    const kin::event closed;
    kin::pool workers(options(1));
    f = workers.apply_async(
        [](const kin::event& e) {
          e.wait();
          return kin::current_pool().apply(square, 4);
        },
        closed);
    workers.close();
    closed.set();
  }
  EXPECT_EQ(f.get(), 16);
}

TEST_P(own_pool, ends_at_once_when_terminated_with_tasks_of_tasks) {
  const auto start = clock::now();
  {
    kin::pool workers(options(2));
    std::vector<kin::future<int>> all;
    for (int i = 0; i < 4; ++i)
      all.push_back(workers.apply_async([] { return kin::current_pool().apply(nap, 60000); }));
    while (workers.stats().submitted < 5) std::this_thread::yield();
    workers.terminate();
    workers.join();
    for (const auto& f : all) EXPECT_THAT(failure_of(f), testing::StartsWith("cancelled_error"));
  }
  EXPECT_LT(ms_since(start), 3000 * patience);
}

TEST_P(own_pool, does_not_exist_outside_tasks) {
  EXPECT_THROW((void)kin::current_pool(), std::logic_error);
  auto o = options(1);
  o.initializer = kin::bind([] {
    bool refused = false;
    try {
      (void)kin::current_pool();
    } catch (const std::logic_error&) {
      refused = true;
    }
    if (!refused) std::_Exit(9);
  });
  kin::pool workers(std::move(o));
  EXPECT_EQ(workers.apply(square, 2), 4);
}

TEST(own_thread_pool, runs_what_its_tasks_submit_and_wait_for) {
  kin::thread_pool workers(1);
  EXPECT_EQ(workers.apply([] { return kin::current_pool().apply(square, 5); }), 25);
  EXPECT_EQ(workers.apply([&] { return workers.apply([&] { return workers.apply(square, 5); }); }), 25);
  EXPECT_EQ(workers.apply(dive, 20), 20);
  EXPECT_EQ(workers.apply(fibonacci, 10), 55);
  int sum = 0;
  workers.apply([&] {
    for (int v : workers.imap_unordered(square, std::views::iota(0, 4))) sum += v;
    for (int v : workers.imap(square, std::views::iota(0, 4))) sum += v;
    sum += workers.map(square, {1, 2}, {.progress = [&](std::size_t, std::size_t) { ++sum; }}).back();
  });
  EXPECT_EQ(sum, 34);
  EXPECT_TRUE(eventually([&] { return workers.stats().workers <= 3; })) << "more threads than those that wait need";
}

TEST(own_thread_pool, refuses_what_a_task_must_not_do) {
  kin::thread_pool workers(1);
  EXPECT_THROW(workers.apply([&] { workers.join(); }), std::logic_error);
  EXPECT_THROW(workers.apply([] { kin::current_pool().close(); }), std::logic_error);
  EXPECT_EQ(workers.apply(dive, 64), 64);
  EXPECT_THROW(workers.apply(dive, 65), std::length_error);
  EXPECT_THROW((void)kin::current_pool(), std::logic_error);
  std::latch closed(1);
  auto late = workers.apply_async([&] {
    closed.wait();
    return workers.apply(square, 3);
  });
  workers.close();
  closed.count_down();
  workers.join();
  EXPECT_EQ(late.get(), 9);
}

TEST(own_thread_pool, is_the_innermost_one) {
  kin::thread_pool outer(1), inner(2);
  EXPECT_EQ(outer.apply([&] { return inner.apply([] { return kin::current_pool().size(); }); }), 2u);
  EXPECT_EQ(outer.apply([&] {
    inner.apply([] {});
    return kin::current_pool().size();
  }),
            1u);
}

}  // namespace
}  // namespace kin_test
