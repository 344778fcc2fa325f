// SPDX-License-Identifier: BSL-1.0
// What a task leaves behind in its own pool when it ends: tasks, their callbacks, threads that wait. And who is waited
// for when all workers wait.
#include <algorithm>
#include <atomic>
#include <csignal>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <kin/array.hpp>
#include <kin/barrier.hpp>
#include <kin/mutex.hpp>
#include <kin/queue.hpp>
#include <kin/shared_dict.hpp>
#include <kin/thread_pool.hpp>
#include <kin/value.hpp>

#include "contracts/pool_contract.hpp"

namespace kin_test {
namespace {

class own_pool_leftovers : public pool_contract {};
KIN_POOL_CONTRACT(own_pool_leftovers);

void meet(const kin::barrier& all) { (void)all.wait(); }

// Its answer is too long for the lane: whoever waits for it takes it from the channel, and with it what came before.
std::string submit_meeting(const kin::barrier& all, int others) {
  for (int i = 0; i < others; ++i) kin::current_pool().apply_async(meet, all);
  return std::string(300, 'a');
}

TEST_P(own_pool_leftovers, run_beside_each_other_whoever_has_heard_of_them) {
  for (int round = 0; round < 20; ++round) {
    const kin::barrier all(5);
    kin::pool workers(options(4));
    auto f = workers.apply_async(submit_meeting, all, 4);
    EXPECT_EQ(f.get().size(), 300u);
    EXPECT_NO_THROW(all.wait_for(20s)) << "not all four run";
  }
}

void submit_one(const kin::value<int>& done) {
  kin::current_pool().apply_async([](const kin::value<int>& n) { n.fetch_add(1); }, done);
}

TEST_P(own_pool_leftovers, run_though_their_pool_is_closed_meanwhile) {
  const kin::value<int> done{0};
  for (int round = 0; round < 40; ++round) {
    kin::pool workers(options(1));
    auto f = workers.apply_async(submit_one, done);
    workers.close();
    f.get();
    workers.join();
    ASSERT_EQ(done.load(), round + 1);
  }
}

void one_licence(const kin::value<int>& given) {
  if (given.fetch_add(1) > 0) throw std::runtime_error("no more licences");
}

TEST_P(own_pool_leftovers, fail_when_no_worker_comes_beside_those_that_wait) {
  const kin::value<int> given{0};
  auto o = options(1);
  o.initializer = kin::bind(one_licence, given);
  kin::pool workers(std::move(o));
  auto f = workers.apply_async([] { return kin::current_pool().apply(square, 3); });
  ASSERT_TRUE(f.wait_for(30s));
  EXPECT_THAT(failure_of(f), HasSubstr("no more licences"));
  EXPECT_EQ(workers.apply(square, 4), 16) << "the worker that there is";
}

// Leaves a thread that waits for what has not begun.
int leave_a_waiter() {
  std::atomic<bool> submitted{false};
  std::thread([&] {
    auto later = kin::current_pool().apply_async({.priority = -1}, square, 1);
    submitted = true;
    later.wait();
  }).detach();
  while (!submitted) std::this_thread::yield();
  // It waits when the pool has heard that, and has begun to start another worker.
  while (kin::current_pool().stats().workers < 2) std::this_thread::yield();
  return 1;
}

TEST_P(own_pool_leftovers, that_wait_hide_no_later_wait_of_their_worker) {
  for (int round = 0; round < 5; ++round) {
    kin::pool workers(options(1));
    EXPECT_EQ(workers.apply(square, 1), 1);
    auto leaves = workers.apply_async(leave_a_waiter);
    auto waits = workers.apply_async([] { return kin::current_pool().apply_async(square, 2).get(); });
    EXPECT_EQ(leaves.get(), 1);
    ASSERT_TRUE(waits.wait_for(30s)) << "nobody runs what it waits for";
    EXPECT_EQ(waits.get(), 4);
  }
}

// Of every kind: an object that only the worker that has made it holds.
void add_up(const kin::value<int>& sum, const kin::value<int>& a, const kin::queue<int>& b,
            const kin::queue<std::string>& c, const kin::array<int>& d, const kin::mutex& e,
            const kin::shared_dict<std::string, int>& f) {
  const std::scoped_lock hold(e);
  sum.fetch_add(a.load() + b.get() + static_cast<int>(c.get().size()) + d.data()[1] + f.at("x"));
}
void submit_what_it_made(const kin::value<int>& sum) {
  const kin::value<int> a{1};
  const kin::queue<int> b;
  b.put(2);
  const kin::queue<std::string> c;
  c.put("abc");
  const kin::array<int> d(2);
  d.data()[1] = 4;
  const kin::shared_dict<std::string, int> f;
  f.set("x", 5);
  kin::current_pool().apply_async({.priority = 1}, nap, 50);
  kin::current_pool().apply_async(add_up, sum, a, b, c, d, kin::mutex(), f);
}

TEST_P(own_pool_leftovers, have_what_they_were_given_though_their_pool_ends) {
  const kin::value<int> sum{0};
  auto o = options(2);
  o.idle_timeout = 5ms;
  kin::pool workers(std::move(o));
  workers.apply(submit_what_it_made, sum);
  workers.close();
  workers.join();
  EXPECT_EQ(sum.load(), 15);
  EXPECT_EQ(workers.stats().failed, 0u);
}

void submit_and_tell(const kin::array<int>& heard, int milliseconds) {
  kin::current_pool()
      .apply_async(nap, milliseconds)
      .then([heard](int) { std::atomic_ref(heard.data()[0]).fetch_add(1); })
      .on_error([heard](const std::exception&) { std::atomic_ref(heard.data()[1]).fetch_add(1); })
      .when_ready([heard] { std::atomic_ref(heard.data()[2]).fetch_add(1); });
}

TEST_P(own_pool_leftovers, have_their_callbacks_run_though_their_worker_is_idle) {
  const auto go = [](kin::pool_options o) {
    const kin::array<int> heard(3);
    {
      kin::pool workers(std::move(o));
      workers.apply(submit_and_tell, heard, 100);
      workers.close();
      workers.join();
    }
    return std::vector<int>(heard.begin(), heard.end());
  };
  const std::vector<int> right{1, 0, 1};
  EXPECT_EQ(go(options(2)), right) << "the pool is closed";
  auto idle = options(2);
  idle.idle_timeout = 10ms;
  EXPECT_EQ(go(std::move(idle)), right) << "the worker is idle";
}

// Returns when the task runs in another worker.
int submit_large(const kin::event& begun, const kin::event& go) {
  kin::current_pool().apply_async(
      [](const kin::event& here, const kin::event& on) {
        here.set();
        on.wait();
        return std::string(8'000'000, 'a');  // more than is on its way at a time
      },
      begun, go);
  begun.wait();
  return own_pid();
}

class long_own_pool_leftovers : public own_pool_leftovers {};
KIN_POOL_CONTRACT(long_own_pool_leftovers);

TEST_P(long_own_pool_leftovers, keep_no_pool_from_its_end_whose_worker_is_stopped) {
  const kin::event begun, go;
  kin::pool workers(options(2));
  const int pid = workers.apply(submit_large, begun, go);
  ASSERT_EQ(::kill(pid, SIGSTOP), 0);
  go.set();
  workers.close();
  workers.join();  // the worker is killed after ten seconds
  EXPECT_EQ(workers.stats().completed, 2u);
}

// In the part of a map that the caller runs.
struct ends_its_pool {
  int caller, what;
  int operator()(int i) const {
    if (own_pid() != caller) return nap(10), 0;
    kin::pool& mine = kin::current_pool();
    try {
      if (what == 0) mine.close();
      if (what == 1) mine.join();
      if (what == 2) mine.terminate();
    } catch (const std::logic_error&) {
      return 1;
    }
    return mine.apply(square, i) == i * i ? 0 : 2;
  }
};

TEST_P(own_pool_leftovers, a_part_that_the_caller_runs_cannot_end_its_pool) {
  kin::pool workers(options(2));
  const std::vector<int> items{1, 2, 3, 4, 5, 6, 7, 8};
  for (const int what : {0, 1, 2}) {
    const auto refused = workers.map(ends_its_pool{own_pid(), what}, items, {.chunk = 1, .caller_takes_part = true});
    EXPECT_THAT(refused, testing::Each(testing::AnyOf(0, 1))) << what;
    EXPECT_THAT(refused, testing::Contains(1)) << what;
  }
  EXPECT_EQ(workers.apply(square, 3), 9);
}

// A part of a map of one pool runs a part of a map of another.
struct maps_again {
  int caller;
  int operator()(int) const {
    if (own_pid() != caller) return nap(50), 0;
    kin::pool& outer = kin::current_pool();
    kin::thread_pool others(1);
    const auto refused = others.map(
        [&outer, this_thread = std::this_thread::get_id()](int) {
          if (std::this_thread::get_id() != this_thread) return nap(10), 0;
          try {
            outer.close();
          } catch (const std::logic_error&) {
            return 1;
          }
          return 2;
        },
        std::vector{1, 2, 3, 4}, {.chunk = 1, .caller_takes_part = true});
    return *std::ranges::max_element(refused);
  }
};

TEST_P(own_pool_leftovers, a_part_within_a_part_cannot_either) {
  if (GetParam() == kin::start::fork) GTEST_SKIP() << "threads beside forks";
  kin::pool workers(options(2));
  const auto refused =
      workers.map(maps_again{own_pid()}, {1, 2, 3, 4, 5, 6, 7, 8}, {.chunk = 1, .caller_takes_part = true});
  EXPECT_THAT(refused, testing::Each(testing::AnyOf(0, 1)));
  EXPECT_THAT(refused, testing::Contains(1));
  EXPECT_EQ(workers.apply(square, 3), 9);
}

TEST_P(own_pool_leftovers, get_the_longest_time_to_end_that_there_is) {
  const kin::event begun, go;
  const kin::value<int> done{0};
  kin::pool workers(options(1));
  auto f = workers.apply_async(
      [](const kin::event& here, const kin::event& on, const kin::value<int>& to) {
        ::signal(SIGTERM, SIG_IGN);
        here.set();
        on.wait();
        to.store(1);
      },
      begun, go, done);
  begun.wait();
  workers.terminate(std::chrono::hours::max());
  EXPECT_THROW(f.get(), kin::cancelled_error);
  go.set();
  workers.join();
  EXPECT_EQ(done.load(), 1);
}

}  // namespace
}  // namespace kin_test
