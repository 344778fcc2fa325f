// SPDX-License-Identifier: BSL-1.0
// barrier: one who comes is stopped after each number of instructions, and something happens to the barrier meanwhile.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <kin/barrier.hpp>
#include <kin/semaphore.hpp>

#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <string>

#include "sync/shared_page.hpp"
#include "sync/staying.hpp"
#include "sync/stepped.hpp"

namespace {

using namespace std::chrono_literals;
using kin_test::forked;
using kin_test::patience;
using kin_test::shared_page;
using kin_test::staying;
using kin_test::stepped;

// The life of some process, as all see it.
struct life {
  kin::bounded_semaphore alive{1};
  void begin() const { alive.acquire(); }
  void until_its_end_is_known() const {
    EXPECT_TRUE(alive.try_acquire_for(patience()));
    alive.release();
  }
};

enum class answer { none, good, broken };
answer come_to(const kin::barrier& b) {
  try {
    b.arrive_and_wait();
    return answer::good;
  } catch (const kin::broken_barrier&) {
    return answer::broken;
  }
}

// `one_place(n)` is false when what is stopped after n instructions had come to its end, or slept. Often it throws in
// the end, which takes some ten thousand instructions and changes nothing.
void everywhere(const std::function<bool(long)>& one_place, long most, long stride) {
  long n = 0;
  for (bool inside = true; inside && n < most && !testing::Test::HasFailure(); n += stride) {
    SCOPED_TRACE("stopped after instruction " + std::to_string(n));
    inside = one_place(n);
  }
  std::printf("             %ld places\n", n / stride);
}
bool stops_after(stepped& who, long n) {
  for (long i = 0; i < n; ++i)
    if (who.step() != stepped::outcome::stepped) return false;
  return true;
}

// It arrives before the reset and is sent away, or after it and is one of the new group.
bool reset_while_one_arrives(long n) {
  const kin::barrier b(2);
  const life of_first;
  stepped first([&] { of_first.begin(); }, [&] { (void)come_to(b); });
  const bool inside = stops_after(first, n);
  b.reset();
  first.run();
  EXPECT_TRUE(first.ends_or_sleeps());
  first.die();
  of_first.until_its_end_is_known();
  if (b.waiting() == 1) {
    EXPECT_EQ(come_to(b), answer::broken) << "a dead one is counted";
  }
  return inside;
}
TEST(barrier, knows_who_arrived_while_it_was_reset) { everywhere(reset_while_one_arrives, 240, 3); }
TEST(long_barrier, knows_who_arrived_while_it_was_reset) { everywhere(reset_while_one_arrives, 2000, 1); }

// It comes to a group of which one has died, which breaks the barrier as it was, and not as it is made anew.
bool reset_while_one_finds_a_death(long n) {
  const kin::barrier b(2);
  const life of_dead;
  forked dead([&] {
    of_dead.begin();
    b.arrive_and_wait();
    for (;;) pause();
  });
  stepped first([&] { b.arrive_and_wait(); }, [&] { (void)come_to(b); });
  dead.kill();
  of_dead.until_its_end_is_known();
  const bool inside = stops_after(first, n);
  b.reset();
  first.run();
  EXPECT_TRUE(first.ends_or_sleeps());
  EXPECT_FALSE(b.broken()) << "by one who came before it was reset";
  return inside;
}
TEST(barrier, is_not_broken_anew_by_who_came_before_it_was_reset) { everywhere(reset_while_one_finds_a_death, 240, 3); }
TEST(long_barrier, is_not_broken_anew_by_who_came_before_it_was_reset) {
  everywhere(reset_while_one_finds_a_death, 600, 1);
}

// One who does not wait for long gives up, stopped n instructions after its sleep; it and the other who comes meanwhile
// get the same answer.
bool one_gives_up_while_the_last_comes(long n) {
  const kin::barrier b(2);
  const shared_page<std::atomic<answer>> first_got, second_got;
  stepped first([] { (void)kin::barrier(1); },
                [&] {
                  try {
                    (void)b.wait_for(1ns);
                    *first_got = answer::good;
                  } catch (const kin::broken_barrier&) {
                    *first_got = answer::broken;
                  }
                });
  EXPECT_TRUE(first.step_to_its_sleep());  // for no time at all
  const bool inside = stops_after(first, n);
  const staying second([&] { *second_got = come_to(b); });
  second.until_done_or_asleep();
  first.run();
  EXPECT_TRUE(first.ends(patience()));
  EXPECT_TRUE(second.done());
  EXPECT_EQ(*first_got, *second_got);
  EXPECT_EQ(b.broken(), *first_got == answer::broken) << "the next round is broken";
  return inside;
}
TEST(barrier, gives_both_the_same_answer_when_one_gives_up) { everywhere(one_gives_up_while_the_last_comes, 150, 5); }
TEST(long_barrier, gives_both_the_same_answer_when_one_gives_up) {
  everywhere(one_gives_up_while_the_last_comes, 1000, 1);
}

}  // namespace

#endif
