// SPDX-License-Identifier: BSL-1.0
// barrier: between threads, between processes, under kill.
#include <kin/barrier.hpp>
#include <kin/event.hpp>
#include <kin/process.hpp>
#include <kin/queue.hpp>
#include <kin/semaphore.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "support/eventually.hpp"
#include "sync/forked.hpp"
#include "sync/shared_page.hpp"

namespace {

using namespace std::chrono_literals;
using kin_test::eventually;
using kin_test::forked;
using kin_test::patience;
using kin_test::shared_page;

TEST(barrier, lets_all_go_when_all_have_come) {
  const kin::barrier b(3);
  EXPECT_EQ(b.parties(), 3u);
  const shared_page<std::atomic<int>> rounds;
  std::vector<forked> others;
  for (int i = 0; i < 2; ++i)
    others.emplace_back([&] {
      for (int r = 0; r < 200; ++r) {
        ++*rounds;
        b.arrive_and_wait();
        if (*rounds < 3 * (r + 1)) _exit(2);
      }
    });
  for (int r = 0; r < 200; ++r) {
    ++*rounds;
    b.arrive_and_wait();
    EXPECT_GE(*rounds, 3 * (r + 1));
  }
  for (auto& o : others) EXPECT_EQ(o.join(), 0);
}

TEST(barrier, gives_each_party_of_a_round_another_number) {
  const kin::barrier b(4);
  std::atomic<unsigned> seen{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { seen |= 1u << b.wait(); });
  for (auto& t : threads) t.join();
  EXPECT_EQ(seen, 0b1111u);
}

TEST(barrier, breaks_for_those_who_wait_when_a_party_is_killed) {
  const kin::barrier b(3);
  const shared_page<std::atomic<int>> rounds;
  const auto party = [&] {
    b.arrive_and_wait();
    ++*rounds;
    try {
      b.arrive_and_wait();
    } catch (const kin::broken_barrier&) {
      _exit(7);
    }
  };
  forked one(party), two(party);
  forked victim([&] {
    b.arrive_and_wait();
    pause();
  });
  ASSERT_TRUE(eventually([&] { return *rounds == 2 && b.waiting() == 2; }));
  victim.kill();
  EXPECT_EQ(one.join(), 7);
  EXPECT_EQ(two.join(), 7);
  EXPECT_TRUE(b.broken());
}

TEST(barrier, breaks_for_those_of_the_group_who_come_after_the_death) {
  const kin::barrier b(2);
  forked victim([&] {
    b.arrive_and_wait();
    pause();
  });
  b.arrive_and_wait();
  victim.kill();
  EXPECT_THROW(b.arrive_and_wait(), kin::broken_barrier);
  EXPECT_THROW(b.arrive_and_wait(), kin::broken_barrier);
  b.reset();
  EXPECT_FALSE(b.broken());
  forked other([&] { b.arrive_and_wait(); });
  b.arrive_and_wait();
}

TEST(barrier, is_left_in_peace_by_a_process_that_has_done_with_it) {
  const kin::barrier b(2);
  for (int round = 0; round < 3; ++round) {
    kin::process party([](const kin::barrier& theirs) { theirs.arrive_and_wait(); }, b);
    b.arrive_and_wait();
    party.join();
  }
}

TEST(barrier, is_left_in_peace_by_a_process_whose_last_handle_goes_wherever) {
  const kin::barrier b(2);
  const auto by_static_object = [](const kin::barrier& theirs) {
    static std::optional<kin::barrier> kept;
    kept.emplace(theirs);
    kept->arrive_and_wait();
  };
  const auto by_another_thread = [](const kin::queue<kin::barrier>& handles) {
    auto mine = std::make_unique<kin::barrier>(handles.get());
    mine->arrive_and_wait();
    std::thread([last = std::move(mine)]() mutable { last.reset(); }).join();
  };
  const kin::queue<kin::barrier> handles;
  for (int round = 0; round < 4; ++round) {
    handles.put(b);
    kin::process party = round % 2 == 0 ? kin::process(by_static_object, b) : kin::process(by_another_thread, handles);
    b.arrive_and_wait();
    party.join();
    EXPECT_EQ(party.exitcode(), 0);
    if (round % 2 == 0) (void)handles.get();
  }
}

TEST(barrier, breaks_when_somebody_gives_up) {
  const kin::barrier b(2);
  std::thread other([&] { EXPECT_THROW(b.arrive_and_wait(), kin::broken_barrier); });
  EXPECT_TRUE(eventually([&] { return b.waiting() == 1; }));
  b.abort();
  other.join();
  EXPECT_THROW((void)b.wait(), kin::broken_barrier);
  b.reset();
  EXPECT_THROW((void)b.wait_for(10ms), kin::broken_barrier);
  EXPECT_TRUE(b.broken());
  b.reset();
  EXPECT_THROW((void)b.wait_until(std::chrono::steady_clock::now() + 10ms), kin::broken_barrier);
}

TEST(barrier, reset_sends_those_away_who_wait) {
  const kin::barrier b(2);
  std::thread other([&] { EXPECT_THROW(b.arrive_and_wait(), kin::broken_barrier); });
  EXPECT_TRUE(eventually([&] { return b.waiting() == 1; }));
  b.reset();
  other.join();
  EXPECT_FALSE(b.broken());
  EXPECT_EQ(b.waiting(), 0u);
  EXPECT_THROW(kin::barrier(0), std::out_of_range);
}

// --- arriving without waiting, and dropping out ---------------------------------------------------------------------

TEST(barrier, lets_one_arrive_and_wait_later) {
  const kin::barrier b(2);
  static_assert(kin::barrier::max() == kin::barrier::most_parties);
  auto mine = b.arrive();
  EXPECT_EQ(b.waiting(), 1u);
  std::thread other([&] { b.arrive_and_wait(); });
  b.wait(std::move(mine));
  other.join();
  EXPECT_EQ(b.waiting(), 0u);
  // The last one has no need to wait, but may.
  auto first = b.arrive(), last = b.arrive();
  b.wait(std::move(last));
  b.wait(std::move(first));
}

TEST(barrier, takes_several_arrivals_at_once) {
  const kin::barrier b(5);
  std::thread other([&] { b.arrive_and_wait(); });
  auto mine = b.arrive(3);
  EXPECT_THROW((void)b.arrive(3), std::invalid_argument);
  EXPECT_THROW((void)b.arrive(SIZE_MAX), std::invalid_argument);
  EXPECT_THROW((void)b.arrive(0), std::invalid_argument);
  b.arrive_and_wait();
  b.wait(std::move(mine));
  other.join();
}

TEST(barrier, breaks_for_those_who_wait_for_an_arrival_when_its_process_is_killed) {
  const kin::barrier b(3);
  forked other([&] {
    (void)b.arrive();
    pause();
  });
  ASSERT_TRUE(eventually([&] { return b.waiting() == 1; }));
  auto mine = b.arrive();
  other.kill();
  EXPECT_THROW(b.wait(std::move(mine)), kin::broken_barrier);
}

TEST(barrier, waits_for_one_fewer_when_one_drops_out) {
  const kin::barrier b(3);
  forked other([&] {
    for (int round = 0; round < 3; ++round) b.arrive_and_wait();
  });
  forked dropper([&] {
    b.arrive_and_wait();
    b.arrive_and_drop();
    pause();
  });
  b.arrive_and_wait();
  b.arrive_and_wait();  // the dropper's last
  EXPECT_EQ(b.parties(), 2u);
  dropper.kill();  // nobody waits for it any more, and it breaks nothing
  b.arrive_and_wait();
  EXPECT_EQ(other.join(), 0);
  EXPECT_EQ(b.waiting(), 0u);
  b.reset();
  EXPECT_EQ(b.parties(), 2u);
}

TEST(barrier, is_completed_by_the_last_one_to_drop_out) {
  const kin::barrier b(2);
  std::thread other([&] { EXPECT_NO_THROW((void)b.wait_for(patience())); });
  EXPECT_TRUE(eventually([&] { return b.waiting() == 1; }));
  b.arrive_and_drop();
  EXPECT_EQ(b.waiting(), 0u);
  other.join();
  b.arrive_and_wait();  // alone
  b.arrive_and_drop();
  EXPECT_EQ(b.parties(), 0u);
  EXPECT_THROW(b.arrive_and_drop(), kin::broken_barrier);
  EXPECT_THROW(b.arrive_and_wait(), kin::broken_barrier);
}

TEST(barrier, breaks_when_one_dies_that_stood_for_several_and_has_dropped_one_of_them) {
  const kin::counting_semaphore have_dropped(0);
  const auto stands_for_two = [&](const kin::barrier& b, auto drop) {
    return forked([&, drop] {
      drop(b);
      have_dropped.release();
      pause();
    });
  };
  const auto arrives_first = [](const kin::barrier& b) {
    auto one = b.arrive();
    b.arrive_and_drop();
    b.wait(std::move(one));
  };
  const auto drops_first = [](const kin::barrier& b) {
    auto one = b.arrive();
    b.arrive_and_wait();  // both
    b.wait(std::move(one));
    b.arrive_and_drop();
  };
  const kin::barrier b(3), c(3);
  forked first = stands_for_two(b, arrives_first), second = stands_for_two(c, drops_first);
  b.arrive_and_wait();
  c.arrive_and_wait();
  for (int i = 0; i < 2; ++i) have_dropped.acquire();
  first.kill();
  second.kill();
  const auto began = std::chrono::steady_clock::now();
  EXPECT_THROW((void)b.wait_for(patience()), kin::broken_barrier);
  EXPECT_THROW((void)c.wait_for(patience()), kin::broken_barrier);
  EXPECT_LT(std::chrono::steady_clock::now() - began, patience()) << "broken by who gave up, and not by the death";
}

TEST(barrier, was_met_for_those_who_wake_after_a_reset) {
  const kin::barrier b(2);
  auto early = b.arrive(), other = b.arrive();
  b.reset();
  b.wait(std::move(early));
  auto sent_away = b.arrive();
  b.reset();
  auto later = b.arrive();
  EXPECT_THROW(b.wait(std::move(sent_away)), kin::broken_barrier);
  b.arrive_and_wait();
  b.wait(std::move(later));
  b.wait(std::move(other));
}

TEST(barrier, sends_those_away_who_wake_many_resets_later) {
  const kin::barrier b(2);
  auto first = b.arrive();
  for (int i = 0; i < 16'384; ++i) b.reset();
  auto one = b.arrive(), two = b.arrive();
  EXPECT_THROW(b.wait(std::move(first)), kin::broken_barrier);
  b.wait(std::move(one));
  b.wait(std::move(two));
}

TEST(barrier, is_for_65536_parties_at_most) {
  EXPECT_EQ(kin::barrier(65536).parties(), 65536U);
  EXPECT_THROW(kin::barrier(65537), std::out_of_range);
}

}  // namespace
