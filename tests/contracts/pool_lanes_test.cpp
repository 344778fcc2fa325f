// SPDX-License-Identifier: BSL-1.0
// Short tasks are given to workers before they are asked for (task_lane): nobody is to notice, but for the speed.
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <random>
#include <stdexcept>

#include <kin/array.hpp>
#include <kin/event.hpp>
#include <kin/process.hpp>
#include <kin/value.hpp>

#include "contracts/pool_contract.hpp"
#include "support/leaves_nothing_behind.hpp"

namespace kin_test {
namespace {
[[maybe_unused]] const bool warm = warm_up([] { const kin::array<int> large(100'000); });

class pool_lanes : public pool_contract {};
KIN_POOL_CONTRACT(pool_lanes);
class long_pool_lanes : public pool_contract {};
KIN_POOL_CONTRACT(long_pool_lanes);

int count_run(const kin::array<int>& runs, int n) {
  std::atomic_ref(runs[static_cast<std::size_t>(n)]).fetch_add(1);
  return n;
}

TEST_P(pool_lanes, run_each_task_once_or_lose_it_when_workers_are_killed_among_thousands) {
  constexpr int tasks = 20'000;
  const kin::array<int> runs(tasks);
  kin::pool workers(options(2));
  workers.apply(square, 1);
  // Killed faster than they start, workers would never serve, and the pool would rightly say so.
  std::mt19937 random(11);
  int kills = 0;
  const auto kill_one = [&] {
    const auto children = kin::active_children();
    if (children.empty()) return;
    ::kill(children[random() % children.size()].pid(), SIGKILL);
    ++kills;
  };
  std::vector<kin::future<int>> all;
  all.reserve(tasks);
  for (int n = 0; n < tasks; ++n) {
    all.push_back(workers.apply_async(count_run, runs, n));
    if (n % 2500 == 2400) kill_one();
  }
  int lost = 0;
  for (int n = 0; n < tasks; ++n) {
    const auto& f = all[static_cast<std::size_t>(n)];
    if (n % 1000 == 500 && !f.ready()) kill_one();
    try {
      ASSERT_EQ(f.get(), n);
      EXPECT_EQ(runs[static_cast<std::size_t>(n)], 1) << n;
    } catch (const kin::worker_lost&) {
      EXPECT_LE(runs[static_cast<std::size_t>(n)], 1) << n;
      ++lost;
    }
  }
  EXPECT_LE(lost, kills);
  EXPECT_EQ(workers.apply({.retries = 20}, square, 7), 49);
}

TEST_P(pool_lanes, let_no_short_task_wait_behind_a_long_one) {
  kin::pool workers(options(2));
  for (int i = 0; i < 200; ++i) workers.apply(square, i);   // now it takes them for short ones
  workers.map(nap, std::vector<int>(4, 20), {.chunk = 1});  // both are there
  for (int i = 0; i < 200; ++i) workers.apply(square, i);
  auto longest = workers.apply_async(nap, 60'000);
  std::vector<kin::future<int>> rest;
  const auto start = clock::now();
  for (int i = 0; i < 31; ++i) rest.push_back(workers.apply_async(square, i));
  for (int i = 0; i < 31; ++i) EXPECT_EQ(rest[static_cast<std::size_t>(i)].get(), i * i);
  EXPECT_LT(ms_since(start), 1000.0 * patience);
  EXPECT_TRUE(longest.cancel());
}

// The same without anybody who waits in the pool: callbacks alone.
TEST_P(pool_lanes, let_no_short_task_wait_behind_a_long_one_when_nobody_waits) {
  kin::pool workers(options(2));
  for (int i = 0; i < 200; ++i) workers.apply(square, i);
  workers.map(nap, std::vector<int>(4, 20), {.chunk = 1});
  std::vector<kin::future<int>> all;
  std::atomic<int> done{0};
  for (int i = 0; i < 100; ++i) {
    all.push_back(workers.apply_async(i == 50 ? nap : square, i == 50 ? 60'000 : i));
    if (i != 50)
      all.back().then([&](int) {
        ++done;
        done.notify_all();
      });
  }
  for (int seen = done; seen < 99; seen = done) done.wait(seen);
  EXPECT_TRUE(all[50].cancel());
}

// Milliseconds until 31 tasks of 1 ms are done by two workers, of which one has got a task of 10 s.
double time_of_short_ones(kin::pool& workers, int place_of_the_long_one, std::atomic<int>* called, bool to_its_end) {
  kin::future<int> longest;
  std::vector<kin::future<int>> rest;
  const auto start = clock::now();
  for (int i = 0; i < 32; ++i) {
    if (i == place_of_the_long_one) {
      longest = workers.apply_async(nap, 10'000);
    } else {
      rest.push_back(workers.apply_async(nap, 1));
      if (called) rest.back().then([=](int) { *called += 1, called->notify_all(); });
    }
  }
  if (called)
    for (int seen = *called; seen < 31; seen = *called) called->wait(seen);
  for (const auto& f : rest) EXPECT_GT(f.get(), 0);
  const double time = ms_since(start);
  EXPECT_FALSE(longest.ready());
  if (to_its_end)
    EXPECT_GT(longest.get(), 0);
  else
    EXPECT_TRUE(longest.cancel());
  return time;
}

TEST_P(long_pool_lanes, do_31_tasks_of_a_millisecond_beside_one_of_10_seconds_in_a_tenth_of_a_second) {
  for (const bool learnt : {false, true})
    for (const bool by_callbacks : {false, true})
      for (const int place : {0, 15, 31}) {
        std::vector<double> times;
        for (int round = 0; round < 9; ++round) {
          std::atomic<int> called{0};
          kin::pool workers(options(2));
          workers.map(nap, std::vector<int>(4, 20), {.chunk = 1});  // both are there
          for (int i = 0; learnt && i < 300; ++i) workers.apply(square, i);
          const bool to_its_end = place == 15 && round == 8;
          times.push_back(time_of_short_ones(workers, place, by_callbacks ? &called : nullptr, to_its_end));
        }
        std::ranges::sort(times);
        std::printf("%s, %s, place %d: median %.1f ms, at most %.1f\n", learnt ? "short before" : "fresh",
                    by_callbacks ? "callbacks" : "get", place, times[4], times[8]);
        EXPECT_LT(times[4], 100.0 * patience / 2);
      }
}

// What is done is not hidden by a long task of the same worker, however one asks.
TEST_P(pool_lanes, tell_of_what_was_done_before_a_long_task) {
  for (int round = 0; round < 12; ++round) {
    kin::pool workers(options(1));
    for (int i = 0; i < 300; ++i) workers.apply(square, i);
    std::vector<kin::future<int>> some;
    for (int i = 0; i < 5; ++i) some.push_back(workers.apply_async(square, i));
    auto longest = workers.apply_async(nap, 60'000);
    const auto& last = some.back();
    const auto start = clock::now();
    if (round % 3 == 0) {
      std::atomic<bool> called{false};
      last.then([&](int) {
        called = true;
        called.notify_all();
      });
      called.wait(false);
    } else if (round % 3 == 1) {
      while (!last.ready() && ms_since(start) < 10'000.0 * patience) std::this_thread::yield();
      EXPECT_TRUE(last.ready());
    } else {
      pollfd entry{last.native_handle(), POLLIN, 0};
      EXPECT_EQ(::poll(&entry, 1, 10'000 * patience), 1);
    }
    EXPECT_LT(ms_since(start), 10'000.0 * patience);
    EXPECT_TRUE(longest.cancel());
  }
}

// Wherever the long one is among short ones, and while they are still being given out.
TEST_P(long_pool_lanes, tell_each_callback_in_time_though_a_long_task_is_among_them) {
  std::mt19937 random(7);
  const auto until = [](int microseconds) {
    const auto end = clock::now() + std::chrono::microseconds(microseconds);
    if (microseconds >= 5'000) std::this_thread::sleep_until(end);
    while (clock::now() < end) {
    }
    return clock::now().time_since_epoch().count();
  };
  for (const int size : {1, 2}) {
    kin::pool workers(options(size));
    int late = 0;
    constexpr int rounds = 60;
    for (int round = 0; round < rounds; ++round) {
      const int n = 100 + static_cast<int>(random() % 200), place = 60 + static_cast<int>(random() % 120);
      std::atomic<int> left{n};
      std::atomic<long> latest{0};
      std::vector<kin::future<long>> all;
      for (int i = 0; i < n; ++i)
        all.push_back(workers.apply_async(until, i == place ? 300'000 : static_cast<int>(random() % 4)));
      for (auto f = all.rbegin(); f != all.rend(); ++f)
        f->then([&](const long& end) {
          latest = std::max(latest.load(), static_cast<long>(clock::now().time_since_epoch().count()) - end);
          if (--left == 0) left.notify_all();
        });
      for (int now = left; now != 0; now = left) left.wait(now);
      late += latest > 250'000'000;  // told at the end of the long one
    }
    EXPECT_EQ(late, 0) << size;
  }
}

// More callables than have a number of their own in a lane.
template <int N>
int plus(int x) {
  return x + N;
}
template <int... N>
int sum_of_all(kin::pool& workers, std::integer_sequence<int, N...>) {
  std::vector<kin::future<int>> all;
  for (int x = 0; x < 20; ++x) (all.push_back(workers.apply_async(plus<N>, x)), ...);
  int sum = 0;
  for (const auto& f : all) sum += f.get();
  return sum;
}
TEST_P(pool_lanes, run_many_different_callables) {
  kin::pool workers(options(2));
  constexpr int n = 50;
  EXPECT_EQ(sum_of_all(workers, std::make_integer_sequence<int, n>()), n * 20 * 19 / 2 + 20 * n * (n - 1) / 2);
}

TEST_P(pool_lanes, cancel_what_is_behind_a_running_task_without_running_it) {
  const kin::array<int> runs(200);
  kin::pool workers(options(1));
  for (int i = 0; i < 300; ++i) workers.apply(square, i);
  std::vector<kin::future<int>> all;
  const kin::event cancelled;
  auto longest = workers.apply_async(wait_for, cancelled);
  for (int n = 0; n < 200; ++n) all.push_back(workers.apply_async(count_run, runs, n));
  for (int n = 0; n < 200; n += 2) EXPECT_TRUE(all[static_cast<std::size_t>(n)].cancel()) << n;
  cancelled.set();
  for (int n = 0; n < 200; ++n) {
    if (n % 2 == 0)
      EXPECT_THAT(failure_of(all[static_cast<std::size_t>(n)]), testing::StartsWith("cancelled_error"));
    else
      EXPECT_EQ(all[static_cast<std::size_t>(n)].get(), n);
    EXPECT_EQ(runs[static_cast<std::size_t>(n)], n % 2) << n;
  }
  EXPECT_GT(longest.get(), 0);
}

bool is_in_a_futex(int thread) {
  std::ifstream file("/proc/" + std::to_string(thread) + "/syscall");
  std::string call;
  return file >> call && call == std::to_string(SYS_futex);
}

// Who waits sleeps until a certain outcome of the lane, and a cancel() moves that.
TEST_P(pool_lanes, tell_who_waits_though_one_before_it_is_cancelled) {
  if (GetParam() == kin::start_method(kin::start::fork)) GTEST_SKIP() << "fork refuses threads of the user";
  kin::pool workers(options(1));
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 300; ++i) workers.apply(square, i);
    const kin::event first, last;
    auto running = workers.apply_async(wait_for, first), dropped = workers.apply_async(square, 2),
         wanted = workers.apply_async(square, 3), longest = workers.apply_async(wait_for, last);
    std::atomic<int> thread{0};
    std::jthread waiter([&] {
      thread = ::gettid();
      thread.notify_all();
      EXPECT_EQ(wanted.get(), 9);
    });
    thread.wait(0);
    while (!is_in_a_futex(thread)) std::this_thread::yield();
    EXPECT_TRUE(dropped.cancel());
    first.set();
    waiter.join();
    last.set();
    longest.wait();
  }
}

// What somebody else sleeps for is no reason not to look.
TEST_P(pool_lanes, say_what_is_ready_while_somebody_waits_for_another_task) {
  if (GetParam() == kin::start_method(kin::start::fork)) GTEST_SKIP() << "fork refuses threads of the user";
  kin::pool workers(options(2));
  workers.map(nap, std::vector<int>(4, 20), {.chunk = 1});
  for (int i = 0; i < 300; ++i) workers.apply(square, i);
  const kin::event begun, first, middle, last;
  auto longest = workers.apply_async(
      [](const kin::event& tell, const kin::event& until) {
        tell.set();
        return wait_for(until);
      },
      begun, first);
  std::jthread waiter([&] { EXPECT_GT(longest.get(), 0); });
  begun.wait();
  workers.apply(nap, 5);  // by now it is a long one, behind which nothing is queued
  auto running = workers.apply_async(wait_for, middle), wanted = workers.apply_async(square, 3),
       next = workers.apply_async(wait_for, last);
  middle.set();
  while (!wanted.ready()) std::this_thread::yield();
  EXPECT_EQ(wanted.get(), 9);
  for (const kin::event* each : {&first, &last}) each->set();
}

TEST_P(pool_lanes, serve_threads_that_wait_at_the_same_time_and_give_up) {
  if (GetParam() == kin::start_method(kin::start::fork)) GTEST_SKIP() << "fork refuses threads of the user";
  kin::pool workers(options(2));
  workers.map(nap, std::vector<int>(4, 5), {.chunk = 1});
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 16; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        auto slow = workers.apply_async(nap, 1);
        if (i % 3 == 0) (void)slow.wait_for(std::chrono::microseconds(i * 7));
        right += workers.apply(square, t + i) == (t + i) * (t + i);
        (void)slow.get();
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(right, 16 * 50);
}

TEST_P(pool_lanes, keep_requests_of_all_sizes_in_order) {
  kin::pool workers(options(1));
  const kin::array<int> order(300);
  const kin::array<int> next(1);
  std::vector<kin::future<std::size_t>> all;
  for (int n = 0; n < 300; ++n)
    all.push_back(workers.apply_async(
        [](const kin::array<int>& o, const kin::array<int>& at, int which, const std::string& text) {
          o[static_cast<std::size_t>(which)] = at[0]++;
          return text.size();
        },
        order, next, n, std::string(static_cast<std::size_t>(n % 4 == 0 ? 5000 : n % 7), 'x')));
  for (int n = 0; n < 300; ++n) {
    EXPECT_EQ(all[static_cast<std::size_t>(n)].get(), static_cast<std::size_t>(n % 4 == 0 ? 5000 : n % 7));
    EXPECT_EQ(order[static_cast<std::size_t>(n)], n);
  }
}

// All that a worker may write of its pool's memory, with bytes of this value.
int scribble(int value) {
  std::ifstream maps("/proc/self/maps");
  std::vector<std::pair<std::uintptr_t, std::uintptr_t>> found;
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t from = 0, to = 0;
    char rights[5] = "";
    if (line.find("kin-lane") == std::string::npos && line.find("kin-pool") == std::string::npos) continue;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %4s", &from, &to, rights) == 3 && rights[1] == 'w')
      found.emplace_back(from, to);
  }
  for (const auto& [from, to] : found)
    std::memset(reinterpret_cast<void*>(from), value, to - from);  // NOLINT(performance-no-int-to-ptr)
  return static_cast<int>(found.size());
}

TEST_P(pool_lanes, survive_a_worker_that_writes_over_them) {
  for (const int value : {0, 1, 0x55, 0xff}) {
    kin::pool workers(options(2));
    for (int i = 0; i < 50; ++i) workers.apply(square, i);
    std::vector<kin::future<int>> all;
    for (int n = 0; n < 600; ++n)
      all.push_back(n == 20 ? workers.apply_async(scribble, value) : workers.apply_async(square, n));
    int failed = 0;
    for (int n = 0; n < 600; ++n) {
      const std::string how = failure_of(all[static_cast<std::size_t>(n)]);
      if (how != "value") {
        ++failed;
        EXPECT_THAT(how, testing::AnyOf(testing::StartsWith("decode_error"), testing::StartsWith("worker_lost")));
      }
    }
    EXPECT_LE(failed, 128) << "more than one worker has";
    // Bytes that are met only now may cost one more.
    std::string how;
    for (int tries = 0; tries < 5 && how != "value"; ++tries)
      how = failure_of(workers.apply_async({.retries = 5}, square, 9));
    EXPECT_EQ(how, "value");
  }
}

TEST_P(pool_lanes, retire_a_worker_that_nobody_waits_for_after_its_last_task) {
  auto o = options(1);
  std::atomic<int> retired{0};
  o.max_tasks_per_worker = 3;
  o.on_worker_event = [&](const kin::worker_event& e) {
    if (e.what != kin::worker_event::kind::retired) return;
    ++retired;
    retired.notify_all();
  };
  kin::pool workers(std::move(o));
  for (int i = 0; i < 7; ++i) (void)workers.apply_async(square, i);
  for (int seen = retired; seen < 2; seen = retired) retired.wait(seen);
  EXPECT_EQ(workers.apply(square, 3), 9);
}

bool is_set_in_time(const kin::event& e) { return e.wait_for(20s); }

// The first worker is known to be quick, so the second task is queued behind the first, for the worker that comes.
TEST_P(pool_lanes, share_their_tasks_out_though_the_worker_that_was_coming_has_failed) {
  auto o = options(2);
  const kin::value<int> starts(0);
  o.initializer = kin::bind(
      [](const kin::value<int>& n) {
        if (n.fetch_add(1) == 1) throw std::runtime_error("the second start fails");
      },
      starts);
  kin::pool workers(std::move(o));
  for (int i = 0; i < 20; ++i) workers.apply(square, i);
  const kin::event e;
  const auto waits = workers.apply_async(is_set_in_time, e);
  workers.apply_async([](const kin::event& of) { of.set(); }, e);
  EXPECT_TRUE(waits.get());
}

TEST_P(pool_lanes, share_their_tasks_out_when_the_pool_is_closed) {
  kin::future<bool> waits;
  {
    kin::pool workers(options(2));
    for (int i = 0; i < 20; ++i) workers.apply(square, i);
    const kin::event e;
    waits = workers.apply_async(is_set_in_time, e);
    workers.apply_async([](const kin::event& of) { of.set(); }, e);
  }
  EXPECT_TRUE(waits.get());
}

}  // namespace
}  // namespace kin_test
