// SPDX-License-Identifier: BSL-1.0
// Maps over a kin::array: nothing is copied, ranges are claimed, results lie where they belong.
#include <sys/time.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <numeric>
#include <random>
#include <type_traits>

#include <kin/array.hpp>
#include <kin/event.hpp>
#include <kin/process.hpp>
#include <kin/thread_pool.hpp>
#include <kin/value.hpp>

#include "contracts/pool_contract.hpp"
#include "support/leaves_nothing_behind.hpp"

namespace kin_test {
namespace {
class claimed_map : public pool_contract {};
KIN_POOL_CONTRACT(claimed_map);

// Large arrays lie in a file that the family opens once.
[[maybe_unused]] const bool warm = warm_up([] { const kin::array<int> large(100'000); });

kin::array<int> counting(std::size_t n) {
  kin::array<int> a(n);
  std::iota(a.begin(), a.end(), 0);
  return a;
}
long plus_half(int n) { return 2L * n + 1; }

template <class Pool>
void maps_right(Pool& workers) {
  for (const std::size_t n : {0u, 1u, 2u, 63u, 1000u, 100'003u}) {
    const auto in = counting(n);
    std::vector<long> expected;
    for (const int each : in) expected.push_back(plus_half(each));
    for (const kin::map_options& o : {kin::map_options{},
                                      {.chunk = 1},
                                      {.chunk = 17},
                                      {.chunk = 1'000'000},
                                      {.caller_takes_part = true},
                                      {.chunk = 3, .caller_takes_part = true}}) {
      const kin::array<long> out(n);
      workers.map(plus_half, in, out, o);
      EXPECT_TRUE(std::ranges::equal(out, expected)) << n << " items, chunks of " << o.chunk;
      EXPECT_EQ(workers.map(plus_half, in, o), expected);
    }
  }
}

TEST_P(claimed_map, writes_all_results_where_they_belong) {
  kin::pool workers(options(2));
  maps_right(workers);
}
TEST(claimed_map_of_threads, writes_all_results_where_they_belong) {
  kin::thread_pool workers(3);
  maps_right(workers);
}

TEST_P(claimed_map, calls_for_each_element_once_and_may_write_into_its_own_input) {
  kin::pool workers(options(2));
  const auto numbers = counting(5000);
  const kin::array<int> calls(5000);
  struct counts {
    kin::array<int> calls;
    void operator()(int n) const { std::atomic_ref(calls[static_cast<std::size_t>(n)]).fetch_add(1); }
  };
  workers.map(counts{calls}, numbers);
  workers.map(counts{calls}, numbers, {.caller_takes_part = true});
  EXPECT_EQ(std::ranges::count(calls, 2), 5000);
  workers.map(square, numbers, numbers);
  for (int i = 0; i < 5000; ++i) EXPECT_EQ(numbers[static_cast<std::size_t>(i)], i * i);
}

TEST_P(claimed_map, leaves_nobody_idle_while_something_is_unclaimed) {
  kin::pool workers(options(2));
  struct last_waits {
    kin::value<int> done;
    int operator()(int n) const {
      if (n == 0)
        while (done.load() < 199) std::this_thread::yield();  // until all others are done, by somebody else
      else
        done.fetch_add(1);
      return n;
    }
  };
  const auto in = counting(200);
  const kin::array<int> out(200);
  workers.map(last_waits{kin::value<int>(0)}, in, out, {.chunk = 1});
  EXPECT_TRUE(std::ranges::equal(in, out));
}

TEST_P(claimed_map, throws_for_the_first_element_that_failed_when_all_others_are_done) {
  kin::pool workers(options(2));
  const auto in = counting(1000);
  for (const bool caller : {false, true})
    for (int round = 0; round < 5; ++round) {
      const kin::array<int> out(1000, -1);
      try {
        workers.map(
            [](int n) {
              if (n % 300 == 299) throw std::out_of_range("element " + std::to_string(n));
              return n;
            },
            in, out, {.chunk = 10, .caller_takes_part = caller});
        ADD_FAILURE() << "no exception";
      } catch (const std::out_of_range& e) {
        EXPECT_STREQ(e.what(), "element 299");
      }
      for (int i = 0; i < 1000; ++i) EXPECT_EQ(out[static_cast<std::size_t>(i)], i % 300 == 299 ? -1 : i);
    }
  EXPECT_THROW(workers.map([](int) { throw std::domain_error("x"); }, in), std::domain_error);
}

TEST_P(claimed_map, throws_for_the_first_element_also_if_it_failed_last) {
  kin::pool workers(options(2));
  struct fails_from_the_end {
    kin::event failed;
    int operator()(int n) const {
      // Its section is left to the other one, who takes from its end what the other section has no more of. If the same
      // worker has both, it waits in vain.
      if (n == 0) (void)failed.wait_for(1s);
      if (n == 40) failed.set();
      if (n == 40 || n == 60) throw std::out_of_range("element " + std::to_string(n));
      return n;
    }
  };
  const auto in = counting(100);
  for (int round = 0; round < 3; ++round) {
    const kin::array<int> out(100);
    try {
      workers.map(fails_from_the_end{kin::event()}, in, out, {.chunk = 1});
      ADD_FAILURE() << "no exception";
    } catch (const std::out_of_range& e) {
      EXPECT_STREQ(e.what(), "element 40");
    }
  }
}

TEST_P(claimed_map, is_not_left_to_a_copy_that_a_task_forks) {
  kin::pool workers(options(2));
  struct forks {
    kin::array<int> out;
    void operator()(int n) const {
      static bool copy = false;
      if (n == 3) copy = ::fork() == 0;
      std::this_thread::sleep_for(copy && n != 3 ? 300ms : 1ms);
      out[static_cast<std::size_t>(n)] = n + 1;
    }
  };
  const kin::array<int> out(100);
  workers.map(forks{out}, counting(100), {.chunk = 1});
  for (int i = 0; i < 100; ++i) EXPECT_EQ(out[static_cast<std::size_t>(i)], i + 1);
}

struct dies_once {
  kin::value<int> deaths;
  int operator()(int n) const {
    if (n == 500 && deaths.fetch_add(1) == 0) ::raise(SIGKILL);
    return n + 1;
  }
};

TEST_P(claimed_map, loses_the_range_of_a_worker_that_died_and_no_other) {
  for (const int size : {1, 3}) {
    kin::pool workers(options(size));
    const auto in = counting(1000);
    const kin::array<int> out(1000, -1);
    const dies_once dies{kin::value<int>(0)};
    EXPECT_THROW(workers.map(dies, in, out, {.chunk = 10}), kin::worker_lost);
    for (int i = 0; i < 1000; ++i)
      if (i < 500 || i >= 510) {
        EXPECT_EQ(out[static_cast<std::size_t>(i)], i + 1);
      }
    workers.map(dies, in, out, {.chunk = 10});
    EXPECT_EQ(out[500], 501);
  }
}

TEST_P(claimed_map, tries_the_range_of_a_worker_that_died_again) {
  kin::pool workers(options(2));
  const auto in = counting(1000);
  const kin::array<int> out(1000, -1);
  workers.map(dies_once{kin::value<int>(0)}, in, out, {.chunk = 10, .task = {.retries = 1}});
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(out[static_cast<std::size_t>(i)], i + 1);
  EXPECT_EQ(workers.stats().retried, 1u);
}

struct fails_once {
  kin::value<int> failures;
  int most;
  int operator()(int n) const {
    if (n % 100 == 50 && failures.fetch_add(1) < most) throw kin::retryable("again");
    return n + 1;
  }
};

TEST_P(claimed_map, tries_the_ranges_again_that_failed_in_the_caller) {
  kin::pool workers(options(2));
  const auto in = counting(1000);
  for (const std::size_t retries : {1u, 3u}) {
    const kin::array<int> out(1000, -1);
    workers.map(fails_once{kin::value<int>(0), static_cast<int>(retries)}, in, out,
                {.chunk = 10, .caller_takes_part = true, .task = {.retries = retries}});
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(out[static_cast<std::size_t>(i)], i + 1);
  }
}

TEST_P(claimed_map, is_done_or_tells_a_loss_whenever_workers_die) {
  auto o = options(2);
  // Each worker ends at a moment of its own.
  o.initializer = kin::bind([] {
    std::random_device random;
    itimerval end{};
    end.it_value.tv_usec = 10000 + static_cast<int>(random() % 60000);
    ::setitimer(ITIMER_REAL, &end, nullptr);
  });
  kin::pool workers(std::move(o));
  const auto in = counting(2000);
  int done = 0, lost = 0;
  for (int round = 0; round < 60; ++round) {
    const kin::array<int> out(2000, -1);
    const auto lost_before = workers.stats().workers_lost;
    try {
      workers.map(
          [](int n) {
            if (n % 100 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
            return n + 7;
          },
          in, out, {.chunk = 20, .caller_takes_part = round % 3 == 0});
      ++done;
      for (int i = 0; i < 2000; ++i) ASSERT_EQ(out[static_cast<std::size_t>(i)], i + 7);
    } catch (const kin::worker_lost&) {
      ++lost;
      // At most a range of each of the dead.
      EXPECT_LE(std::ranges::count(out, -1),
                20 * static_cast<std::ptrdiff_t>(workers.stats().workers_lost - lost_before));
    } catch (const kin::start_error&) {
      ++lost;  // dead before they are ready: a very busy machine
    }
  }
  EXPECT_EQ(done + lost, 60);
  EXPECT_GT(done, 0);
  EXPECT_GT(workers.stats().workers_lost, 0u);
  std::printf("%d maps done, %d lost a range, %d workers died\n", done, lost,
              static_cast<int>(workers.stats().workers_lost));
}

TEST_P(claimed_map, may_be_of_a_task_and_ends_with_its_pool) {
  kin::pool workers(options(2));
  const auto in = counting(300);
  const kin::array<int> out(300);
  workers.apply(
      [](const kin::array<int>& from, const kin::array<int>& to) { kin::current_pool().map(square, from, to); }, in,
      out);
  EXPECT_EQ(out[299], 299 * 299);
  const kin::event running;
  std::thread ender([&] {
    running.wait();
    workers.terminate();
  });
  struct never {
    kin::event running;
    int operator()(int) const {
      running.set();
      return nap(60000);
    }
  };
  EXPECT_THROW(workers.map(never{running}, in, out), kin::cancelled_error);
  ender.join();
  EXPECT_THROW(workers.map(square, in, out), kin::closed_error);
}

// Written down once for each task of a map: the second time, it does what it is told to first.
struct plus_one_and {
  inline static std::atomic<int> written{0};
  inline static std::function<void()> before_the_second;
  std::int64_t added = 1;
  template <class Archive>
  void serialize(Archive& ar) {
    if constexpr (std::is_same_v<Archive, kin::writer>)
      if (++written == 2) before_the_second();
    ar(added);
  }
  long operator()(int n) const { return n + added; }
};

TEST_P(claimed_map, is_finished_by_the_tasks_it_has_when_the_pool_is_closed_halfway) {
  kin::pool workers(options(2));
  const auto in = counting(1000);
  const kin::array<long> out(1000);
  plus_one_and::written = 0;
  plus_one_and::before_the_second = [&] { workers.close(); };
  workers.map(plus_one_and{}, in, out);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(out[static_cast<std::size_t>(i)], i + 1);
  EXPECT_THROW(workers.map(plus_one_and{}, in, out), kin::closed_error);
}

TEST_P(claimed_map, is_cancelled_when_the_pool_is_terminated_halfway) {
  kin::pool workers(options(2));
  const kin::event blocked;
  struct hold_on {
    kin::event blocked;
    void operator()(int) const { blocked.set(), nap(60000); }
  };
  auto held = workers.map_async(hold_on{blocked}, std::vector<int>{1, 2}, {.chunk = 1});
  blocked.wait();
  const auto in = counting(1000);
  const kin::array<long> out(1000);
  plus_one_and::written = 0;
  plus_one_and::before_the_second = [&] { workers.terminate(); };
  EXPECT_THROW(workers.map(plus_one_and{}, in, out), kin::cancelled_error);
  EXPECT_THROW(held.get(), kin::cancelled_error);
}

TEST(claimed_map_lengths, must_agree_and_a_map_into_itself_is_tried_once) {
  kin::pool workers(1);
  const kin::array<int> three(3), four(4);
  EXPECT_THROW(workers.map(square, three, four), std::invalid_argument);
  EXPECT_THROW(workers.map(square, three, three, {.task = {.retries = 1}}), std::invalid_argument);
}

}  // namespace
}  // namespace kin_test
