// SPDX-License-Identifier: BSL-1.0
// condition_variable: between threads, between processes, under kill.
#include <kin/condition_variable.hpp>
#include <kin/event.hpp>
#include <kin/process.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include "support/eventually.hpp"
#include "sync/forked.hpp"
#include "sync/shared_page.hpp"

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;
using kin_test::eventually;
using kin_test::forked;
using kin_test::shared_page;

struct meeting {
  kin::mutex m;
  kin::condition_variable changed;
  shared_page<std::atomic<int>> come;
  void wait() const {
    std::unique_lock hold(m);
    ++*come;
    changed.wait(hold);
  }
  // Who has come with the mutex has given it up to wait: asleep they may be for the mutex, too.
  void until_all_wait(int n) const {
    ASSERT_TRUE(eventually([&] { return *come == n; }));
    const std::scoped_lock hold(m);
  }
};

TEST(condition_variable, wakes_one_or_all) {
  const meeting here;
  const shared_page<std::atomic<int>> woken;
  std::vector<forked> waiters;
  for (int i = 0; i < 5; ++i)
    waiters.emplace_back([&] {
      here.wait();
      ++*woken;
      pause();
    });
  here.until_all_wait(5);
  for (int n = 1; n <= 3; ++n) {
    here.changed.notify_one();
    EXPECT_TRUE(eventually([&] { return *woken >= n; }));
    std::this_thread::sleep_for(5ms);
    EXPECT_EQ(*woken, n);
  }
  here.changed.notify_all();
  EXPECT_TRUE(eventually([&] { return *woken == 5; }));
}

TEST(condition_variable, notify_all_with_k_of_n_waiters_killed_wakes_n_minus_k) {
  const meeting here;
  const shared_page<std::atomic<int>> woken;
  std::vector<forked> waiters;
  for (int i = 0; i < 6; ++i)
    waiters.emplace_back([&] {
      here.wait();
      ++*woken;
    });
  here.until_all_wait(6);
  waiters[0].kill();
  waiters[3].kill();
  std::this_thread::sleep_for(5ms);
  EXPECT_EQ(*woken, 0) << "a death is no notification";
  { const std::scoped_lock hold(here.m); }
  here.changed.notify_all();
  for (const std::size_t i : {1u, 2u, 4u, 5u}) EXPECT_EQ(waiters[i].join(), 0);
  EXPECT_EQ(*woken, 4);
}

TEST(condition_variable, notify_one_is_not_lost_to_a_killed_waiter) {
  for (int round = 0; round < 50; ++round) {
    const meeting here;
    const shared_page<std::atomic<int>> items;
    const auto take = [&] {
      std::unique_lock hold(here.m);
      here.changed.wait(hold, [&] { return *items > 0; });
      --*items;
    };
    forked victim(take), survivor(take);
    victim.wait_until_asleep();
    survivor.wait_until_asleep();
    std::thread killer([&] { victim.kill(); });
    try {
      const std::scoped_lock hold(here.m);
      *items = 2;
    } catch (const kin::owner_died&) {
      auto hold = here.m.recover();
      *items = 2;
    }
    here.changed.notify_one();
    killer.join();
    const int code = survivor.join();
    EXPECT_TRUE(code == 0 || code == 1) << code;  // 1: the victim died holding the mutex
  }
}

TEST(condition_variable, waits_for_a_time_and_with_a_predicate) {
  const meeting here;
  std::unique_lock hold(here.m);
  EXPECT_EQ(here.changed.wait_for(hold, 10ms), std::cv_status::timeout);
  EXPECT_EQ(here.changed.wait_until(hold, clock::now() + 5ms), std::cv_status::timeout);
  EXPECT_FALSE(here.changed.wait_for(hold, 10ms, [] { return false; }));
  EXPECT_TRUE(here.changed.wait_until(hold, clock::now() + 5ms, [] { return true; }));
  EXPECT_TRUE(hold.owns_lock());
}

TEST(condition_variable, passes_a_ball_between_a_thread_and_a_process) {
  const meeting here;
  const shared_page<std::atomic<int>> ball;
  const auto play = [&](int side) {
    for (int i = 0; i < 1000; ++i) {
      std::unique_lock hold(here.m);
      here.changed.wait(hold, [&] { return *ball % 2 == side; });
      ++*ball;
      here.changed.notify_one();
    }
  };
  forked other([&] { play(1); });
  play(0);
  EXPECT_EQ(other.join(), 0);
  EXPECT_EQ(*ball, 2000);
}

TEST(condition_variable, throws_not_holding_when_the_holder_has_died_meanwhile) {
  const meeting here;
  const kin::event waiting, holding;
  forked holder([&] {
    waiting.wait();
    here.m.lock();
    here.changed.notify_all();
    holding.set();
    pause();
  });
  std::unique_lock hold(here.m);
  std::thread killer([&] {
    waiting.set();
    holding.wait();
    holder.kill();
  });
  EXPECT_THROW(here.changed.wait(hold, [] { return false; }), kin::owner_died);
  EXPECT_FALSE(hold.owns_lock());
  killer.join();
}

}  // namespace
