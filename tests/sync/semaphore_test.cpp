// SPDX-License-Identifier: BSL-1.0
// counting_semaphore, bounded_semaphore: between threads, between processes, under kill.
#include <kin/event.hpp>
#include <kin/process.hpp>
#include <kin/semaphore.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include "support/eventually.hpp"
#include "sync/forked.hpp"

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;
using kin_test::eventually;
using kin_test::forked;

TEST(counting_semaphore, lets_as_many_through_as_it_has_permits) {
  const kin::counting_semaphore s(2);
  EXPECT_TRUE(s.try_acquire());
  s.acquire();
  EXPECT_FALSE(s.try_acquire());
  const auto start = clock::now();
  EXPECT_FALSE(s.try_acquire_for(20ms));
  EXPECT_GE(clock::now() - start, 20ms);
  s.release(2);
  EXPECT_EQ(s.value(), 2u);
  EXPECT_TRUE(s.try_acquire_until(clock::now()));
}

TEST(counting_semaphore, never_has_more_inside_than_permits) {
  const kin::counting_semaphore s(3);
  std::atomic<int> inside{0}, most{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 3000; ++i) {
        s.acquire();
        const int now = ++inside;
        for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
        }
        --inside;
        s.release();
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_LE(most, 3);
  EXPECT_EQ(s.value(), 3u);
}

TEST(counting_semaphore, release_wakes_as_many_sleepers_in_other_processes) {
  const kin::counting_semaphore s(0);
  std::vector<forked> sleepers;
  for (int i = 0; i < 4; ++i) sleepers.emplace_back([&] { s.acquire(); });
  for (auto& p : sleepers) p.wait_until_asleep();
  s.release(4);
  for (auto& p : sleepers) EXPECT_EQ(p.join(), 0);
  EXPECT_EQ(s.value(), 0u);
}

TEST(counting_semaphore, goes_to_a_spawned_process_and_back_again) {
  const kin::counting_semaphore ping(0), pong(0);
  kin::process child(
      [](const kin::counting_semaphore& in, const kin::counting_semaphore& out) {
        for (int i = 0; i < 500; ++i) {
          in.acquire();
          out.release();
        }
      },
      ping, pong);
  for (int i = 0; i < 500; ++i) {
    ping.release();
    pong.acquire();
  }
  child.join();
}

TEST(counting_semaphore, a_permit_is_not_lost_to_a_killed_sleeper) {
  for (int round = 0; round < 40; ++round) {
    const kin::counting_semaphore s(0);
    forked victim([&] { s.acquire(); });
    forked survivor([&] {
      s.acquire();
      s.release();
    });
    victim.wait_until_asleep();
    survivor.wait_until_asleep();
    std::thread killer([&] { victim.kill(); });
    s.release();
    killer.join();
    // The victim may have taken it, and then it is gone: there are no owners.
    const auto limit = clock::now() + 20ms;
    while (s.value() == 0 && clock::now() < limit) std::this_thread::sleep_for(1ms);
    if (s.value() == 0) s.release();
    EXPECT_EQ(survivor.join(), 0);
  }
}

TEST(counting_semaphore, has_no_owners) {
  const kin::counting_semaphore s(1);
  EXPECT_EQ(forked([&] { s.acquire(); }).join(), 0);
  EXPECT_FALSE(s.try_acquire_for(30ms));
  EXPECT_THROW(s.release(kin::counting_semaphore::max() + 1), std::logic_error);
}

TEST(bounded_semaphore, release_beyond_the_initial_value_is_an_error) {
  const kin::bounded_semaphore s(2);
  EXPECT_THROW(s.release(), std::logic_error);
  s.acquire();
  EXPECT_THROW(s.release(2), std::logic_error);
  EXPECT_EQ(s.value(), 1u);
  s.release();
  EXPECT_EQ(s.value(), 2u);
  EXPECT_THROW(s.release(), std::logic_error);
}

TEST(bounded_semaphore, gives_back_the_permits_of_the_dead) {
  const kin::bounded_semaphore s(3);
  const kin::event taken;
  forked holder([&] {
    s.acquire();
    s.acquire();
    taken.set();
    pause();
  });
  taken.wait();
  s.acquire();
  EXPECT_FALSE(s.try_acquire());
  std::vector<forked> waiters;
  for (int i = 0; i < 2; ++i) waiters.emplace_back([&] { s.acquire(); });
  for (auto& w : waiters) w.wait_until_asleep();
  holder.kill();
  for (auto& w : waiters) EXPECT_EQ(w.join(), 0);
  EXPECT_TRUE(eventually([&] { return s.value() == 2; })) << "theirs too, since they ended with them";
  s.release();
  EXPECT_EQ(s.value(), 3u);
}

TEST(bounded_semaphore, may_be_released_by_another_process) {
  const kin::bounded_semaphore s(1);
  s.acquire();
  EXPECT_EQ(forked([&] { s.release(); }).join(), 0);
  EXPECT_TRUE(s.try_acquire());
}

TEST(bounded_semaphore, of_a_thousand_permits_gives_each_once) {
  const kin::bounded_semaphore s(1000);
  std::atomic<int> got{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      while (s.try_acquire()) ++got;
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(got, 1000);
  EXPECT_THROW(kin::bounded_semaphore(1'000'000), std::out_of_range);
}

// Each look for a free one begins with the first.
TEST(long_bounded_semaphore, has_65536_permits_at_most) {
  const kin::bounded_semaphore s(65536);
  int got = 0;
  while (s.try_acquire()) ++got;
  EXPECT_EQ(got, 65536);
  EXPECT_FALSE(s.try_acquire());
  s.release();
  EXPECT_TRUE(s.try_acquire());
  EXPECT_THROW(kin::bounded_semaphore(65537), std::out_of_range);
}

TEST(counting_semaphore, counts_no_further_than_its_max) {
  const kin::counting_semaphore s(kin::counting_semaphore::max());
  EXPECT_THROW(s.release(), std::logic_error);
  EXPECT_EQ(s.value(), kin::counting_semaphore::max());
  EXPECT_TRUE(s.try_acquire());
  s.release();
  EXPECT_THROW(s.release(2), std::logic_error);
  EXPECT_EQ(s.value(), kin::counting_semaphore::max());
}

}  // namespace
