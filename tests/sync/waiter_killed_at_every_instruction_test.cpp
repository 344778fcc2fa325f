// SPDX-License-Identifier: BSL-1.0
// event, semaphores and barrier, single-stepped: who waits is killed at each instruction, asleep, and after it was
// woken.
#include <gtest/gtest.h>

#include <vector>

#include "sync/killed_everywhere.hpp"

namespace {

using namespace kin_test;

const auto join_alive = [](const world& w) { w.alive.acquire(); };
void until_its_death_is_known(const world& w) {
  EXPECT_TRUE(w.alive.try_acquire_for(patience()));
  w.alive.release();
}

const auto is_let_go = [](const world& w) { return !w.held; };
const auto is_given = [](const world& w) { return w.given; };

const auto set_again = [](const world& w) {
  EXPECT_FALSE(w.e.is_set());
  w.e.set();
  EXPECT_TRUE(w.e.wait_for(patience()));
};

// What is left is what was given and not taken.
const auto permits_are_right = [](const world& w) {
  if (w.permits.value() != 0) {
    EXPECT_TRUE(w.given);
    EXPECT_TRUE(w.permits.try_acquire());
  }
  EXPECT_FALSE(w.permits.try_acquire());
  w.permits.release();
  EXPECT_TRUE(w.permits.try_acquire_for(patience()));
};

const auto take_the_only = [](const world& w) {
  w.bounded.acquire();
  w.held = true;
};
const auto give_the_only = [](const world& w) {
  if (std::exchange(w.held, false)) w.bounded.release();
};
const auto the_only_comes_back = [](const world& w) {
  give_the_only(w);
  EXPECT_TRUE(w.bounded.try_acquire_for(patience())) << "a dead one's permit";
  EXPECT_FALSE(w.bounded.try_acquire());
  w.bounded.release();
};

void is_broken_at_once(const kin::barrier& b) {
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THROW((void)b.wait_for(patience()), kin::broken_barrier);
  EXPECT_LT(std::chrono::steady_clock::now() - start, patience()) << "a dead one is waited for";
}
void works_again(const kin::barrier& b) {
  b.reset();
  std::vector<forked> others;
  for (std::size_t i = 1; i < b.parties(); ++i) others.emplace_back([&] { b.arrive_and_wait(); });
  EXPECT_NO_THROW((void)b.wait_for(patience()));
  for (auto& other : others) EXPECT_EQ(other.join(), 0);
}
// One who has come and died is in nobody's count, neither in that round nor in the next.
const auto the_first_was_counted_alive = [](const world& w) {
  until_its_death_is_known(w);
  if (w.given || w.both.waiting() == 1) is_broken_at_once(w.both);
  works_again(w.both);
};
const auto come_second = [](const world& w) {
  w.both.arrive_and_wait();
  w.given = true;
};
const auto come_third = [](const world& w) {
  w.three.arrive_and_wait();
  w.given = true;
};
const auto three_work_again = [](const world& w) {
  until_its_death_is_known(w);
  works_again(w.three);
};
const auto meet_three = [](const world& w) { ignore_death([&] { w.three.arrive_and_wait(); }); };
const auto only_one_has_come = [](const world& w) { return w.three.waiting() == 1; };

const std::vector<scenario> scenarios = {
    // Cleared again before it can look.
    {"event wait, beside one who waits",
     join_family,
     [](const world& w) { w.e.wait(); },
     [](const world& w) { w.e.wait(); },
     is_given,
     set_again,
     {},
     [](const world& w) {
       w.e.set();
       w.e.clear();
       w.given = true;
     }},
    sleeps("event wait_for that expires", join_family, [](const world& w) { (void)w.e.wait_for(a_while); }, set_again,
           {}, {}),
    sleeps(
        "semaphore acquire at 0", join_family, [](const world& w) { w.permits.acquire(); }, permits_are_right, {},
        [](const world& w) {
          w.permits.release();
          w.given = true;
        }),
    {"semaphore acquire at 0, beside one who waits",
     join_family,
     [](const world& w) { w.permits.acquire(); },
     [](const world& w) { w.permits.acquire(); },
     is_given,
     [](const world& w) {
       if (!w.given) w.permits.release(2);
     },
     {},
     [](const world& w) {
       w.permits.release(2);
       w.given = true;
     }},
    sleeps("semaphore try_acquire_for that expires", join_family,
           [](const world& w) { (void)w.permits.try_acquire_for(a_while); }, permits_are_right, {}, {}),
    sleeps(
        "bounded semaphore acquire with none left", join_family, [](const world& w) { w.bounded.acquire(); },
        the_only_comes_back, take_the_only, give_the_only),
    {"bounded semaphore acquire with none left, beside one who waits", join_family,
     [](const world& w) { w.bounded.acquire(); }, [](const world& w) { w.bounded.acquire(); }, is_let_go,
     the_only_comes_back, take_the_only, give_the_only},
    sleeps(
        "barrier, the first to arrive", join_alive,
        [](const world& w) { ignore_death([&] { w.both.arrive_and_wait(); }); }, the_first_was_counted_alive, {},
        come_second),
    {"barrier, the second of three",
     join_alive,
     meet_three,
     meet_three,
     [](const world& w) { return !only_one_has_come(w); },
     three_work_again,
     {},
     come_third},
    {.name = "barrier wait_for that expires",
     .prepare = join_alive,
     .stepped = [](const world& w) { ignore_death([&] { (void)w.three.wait_for(a_while); }); },
     .waits = meet_three,
     .must_go = [](const world& w) { return !only_one_has_come(w); },
     .afterwards = three_work_again,
     .most = 2'500},
};

class sync_waiter_killed_at : public testing::TestWithParam<scenario> {};
class long_sync_waiter_killed_at : public sync_waiter_killed_at {};

TEST_P(sync_waiter_killed_at, some_instructions_leaves_the_others_right) { kill_everywhere(GetParam(), 12); }
TEST_P(long_sync_waiter_killed_at, every_instruction_leaves_the_others_right) {
  kill_everywhere(GetParam(), 1'000'000);
}

INSTANTIATE_TEST_SUITE_P(in, sync_waiter_killed_at, testing::ValuesIn(scenarios), scenario_name);
INSTANTIATE_TEST_SUITE_P(in, long_sync_waiter_killed_at, testing::ValuesIn(scenarios), scenario_name);

}  // namespace
