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
TEST(barrier, gives_both_the_same_answer_when_one_gives_up) { everywhere(one_gives_up_while_the_last_comes, 240, 5); }
TEST(long_barrier, gives_both_the_same_answer_when_one_gives_up) {
  everywhere(one_gives_up_while_the_last_comes, 1000, 1);
}

// One drops out and is killed there; the one who waits is let go, or finds the barrier broken.
bool killed_while_it_drops_out(long n) {
  const kin::barrier b(2);
  const shared_page<std::atomic<answer>> got;
  const staying other([&] { *got = come_to(b); });
  other.until_done_or_asleep();
  const life of_dropper;
  stepped dropper([&] { of_dropper.begin(); }, [&] { b.arrive_and_drop(); });
  const bool inside = stops_after(dropper, n);
  dropper.die();
  of_dropper.until_its_end_is_known();
  const std::size_t parties = b.parties();
  if (parties == 2 && !b.broken()) b.abort();  // it was killed before it had come
  EXPECT_TRUE(other.done());
  EXPECT_NE(*got, answer::none);
  if (!inside) {
    EXPECT_EQ(*got, answer::good);
  }
  return inside;
}
TEST(barrier, holds_nobody_up_when_one_is_killed_while_it_drops_out) { everywhere(killed_while_it_drops_out, 400, 7); }
TEST(long_barrier, holds_nobody_up_when_one_is_killed_while_it_drops_out) {
  everywhere(killed_while_it_drops_out, 3000, 1);
}

// One arrives while another drops out: it is the last, whoever sees it.
bool drops_out_while_one_arrives(long n) {
  const kin::barrier b(2);
  stepped first([] { (void)kin::barrier(1); }, [&] { (void)b.arrive(); });
  const bool inside = stops_after(first, n);
  b.arrive_and_drop();
  first.run();
  EXPECT_TRUE(first.ends(patience()));
  EXPECT_EQ(b.waiting(), 0u) << "all have come, and nobody has seen it";
  return inside;
}
TEST(barrier, is_complete_when_one_drops_out_while_the_other_arrives) {
  everywhere(drops_out_while_one_arrives, 400, 3);
}
TEST(long_barrier, is_complete_when_one_drops_out_while_the_other_arrives) {
  everywhere(drops_out_while_one_arrives, 2000, 1);
}

// One drops out, and a reset forgets it just before it counts; it is killed before it has seen that it was the last.
TEST(barrier, is_completed_by_those_who_wait_when_who_drops_out_is_killed_behind_a_reset) {
  const auto drops = [](const kin::barrier& b) {
    return stepped([] { (void)kin::barrier(1); }, [&b] { b.arrive_and_drop(); });
  };
  long counts = 0;
  {
    const kin::barrier b(2);
    stepped rehearsal = drops(b);
    while (b.parties() == 2 && rehearsal.step() == stepped::outcome::stepped) ++counts;
    ASSERT_EQ(b.parties(), 1u);
  }
  const kin::barrier b(2);
  const shared_page<std::atomic<answer>> got;
  stepped dropper = drops(b);
  ASSERT_TRUE(stops_after(dropper, counts - 2));
  ASSERT_EQ(b.parties(), 2u);
  b.reset();
  const staying other([&] { *got = come_to(b); });
  other.until_done_or_asleep();
  EXPECT_EQ(b.waiting(), 1u);
  for (int i = 0; i < 100 && b.parties() == 2; ++i) (void)dropper.step();
  ASSERT_EQ(b.parties(), 1u);
  ASSERT_EQ(b.waiting(), 1u);
  dropper.die();
  EXPECT_TRUE(other.done());
  EXPECT_EQ(*got, answer::good);
}

}  // namespace

#endif
