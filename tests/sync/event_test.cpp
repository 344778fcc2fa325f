// SPDX-License-Identifier: BSL-1.0
// event: between threads, between processes, under kill.
#include <kin/event.hpp>
#include <kin/pool.hpp>
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
using kin_test::eventually;
using kin_test::forked;
using kin_test::shared_page;

TEST(event, lets_everybody_go_who_waits) {
  const kin::event e;
  EXPECT_FALSE(e.is_set());
  EXPECT_FALSE(e.wait_for(10ms));
  std::vector<forked> waiters;
  for (int i = 0; i < 4; ++i) waiters.emplace_back([&] { e.wait(); });
  std::thread thread([&] { e.wait(); });
  for (auto& w : waiters) w.wait_until_asleep();
  e.set();
  for (auto& w : waiters) EXPECT_EQ(w.join(), 0);
  thread.join();
  EXPECT_TRUE(e.is_set());
  EXPECT_TRUE(e.wait_for(0ms));
  e.clear();
  EXPECT_FALSE(e.is_set());
}

TEST(event, set_and_cleared_at_once_still_lets_go_who_waits) {
  const kin::event e;
  for (int round = 0; round < 50; ++round) {
    forked waiter([&] { e.wait(); });
    waiter.wait_until_asleep();
    e.set();
    e.clear();
    EXPECT_EQ(waiter.join(), 0);
  }
}

TEST(event, goes_into_a_task) {
  const kin::event e, answer;
  kin::pool workers(1);
  auto task = workers.apply_async(
      [](const kin::event& wait_for_it, const kin::event& reply) {
        wait_for_it.wait();
        reply.set();
      },
      e, answer);
  e.set();
  answer.wait();
  task.get();
}

TEST(event, is_not_missed_by_a_racing_waiter) {
  for (int i = 0; i < 2000; ++i) {
    const kin::event e;
    std::thread waiter([&] { e.wait(); });
    e.set();
    waiter.join();
  }
}

TEST(event, works_for_others_when_waiters_are_killed) {
  const kin::event e;
  std::vector<forked> waiters;
  for (int i = 0; i < 4; ++i) waiters.emplace_back([&] { e.wait(); });
  for (auto& w : waiters) w.wait_until_asleep();
  waiters[1].kill();
  waiters[3].kill();
  e.set();
  EXPECT_EQ(waiters[0].join(), 0);
  EXPECT_EQ(waiters[2].join(), 0);
}

}  // namespace
