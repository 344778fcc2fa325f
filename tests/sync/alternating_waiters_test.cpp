// SPDX-License-Identifier: BSL-1.0
// recursive_mutex, semaphores, condition_variable, event, barrier: two processes are stepped through them in turn, a
// few instructions each (ptrace), in an order that a seed says. Neither dies: a death would wake the other.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <kin/barrier.hpp>
#include <kin/condition_variable.hpp>
#include <kin/event.hpp>
#include <kin/mutex.hpp>
#include <kin/semaphore.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <random>
#include <string>

#include "sync/shared_page.hpp"
#include "sync/stepped.hpp"

namespace {

using kin_test::shared_page;
using kin_test::stepped;

constexpr int turns_of_each = 3;

struct table {
  const kin::recursive_mutex again;
  const kin::counting_semaphore permit{1};
  const kin::bounded_semaphore bounded{1};
  const kin::mutex m;
  const kin::condition_variable changed;
  const kin::event serve[2];
  const kin::barrier both{2};
  struct score {
    std::atomic<int> inside, wrong, ball, rounds[2];
  };
  const shared_page<score> s;

  void be_alone() const {
    if (++s->inside != 1) ++s->wrong;
    ++s->ball;
    --s->inside;
  }
};

using game = void (*)(const table&, int side);

void in_a_recursive_mutex(const table& t, int) {
  for (int i = 0; i < turns_of_each; ++i) {
    const std::scoped_lock outer(t.again);
    const std::scoped_lock inner(t.again);
    t.be_alone();
  }
}
void with_the_only_permit(const table& t, int) {
  for (int i = 0; i < turns_of_each; ++i) {
    t.permit.acquire();
    t.be_alone();
    t.permit.release();
  }
}
void with_the_only_bounded_permit(const table& t, int) {
  for (int i = 0; i < turns_of_each; ++i) {
    t.bounded.acquire();
    t.be_alone();
    t.bounded.release();
  }
}
void by_notifications(const table& t, int side) {
  for (int i = 0; i < turns_of_each; ++i) {
    std::unique_lock hold(const_cast<kin::mutex&>(t.m));
    t.changed.wait(hold, [&] { return t.s->ball % 2 == side; });
    t.be_alone();
    t.changed.notify_one();
  }
}
void by_events(const table& t, int side) {
  for (int i = 0; i < turns_of_each; ++i) {
    if (side == 1 || i > 0) t.serve[side].wait();
    t.serve[side].clear();
    t.be_alone();
    t.serve[1 - side].set();
  }
}
void at_a_barrier(const table& t, int side) {
  for (int i = 0; i < turns_of_each; ++i) {
    ++t.s->rounds[side];
    t.both.arrive_and_wait();
    if (t.s->rounds[1 - side] < t.s->rounds[side]) ++t.s->wrong;
    ++t.s->ball;
  }
}

void play(game g, std::uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const table t;
  const auto prepare = [] { (void)kin::mutex(); };
  stepped first(prepare, [&] { g(t, 0); });
  stepped second(prepare, [&] { g(t, 1); });
  EXPECT_TRUE(kin_test::alternate(first, second, random, 0)) << "one sleeps for ever";
  EXPECT_EQ(t.s->wrong, 0) << "one has gone on too early";
  EXPECT_EQ(t.s->ball, 2 * turns_of_each);
}
void rounds(game g, std::uint64_t n) {
  for (std::uint64_t seed = 1; seed <= n && !testing::Test::HasFailure(); ++seed) play(g, seed);
}

struct named {
  const char* name;
  game plays;
};
class sync_for_two_in_turn : public testing::TestWithParam<named> {};
class long_sync_for_two_in_turn : public sync_for_two_in_turn {};
TEST_P(sync_for_two_in_turn, is_right) { rounds(GetParam().plays, 4); }
TEST_P(long_sync_for_two_in_turn, is_right) { rounds(GetParam().plays, 300); }

constexpr named games[] = {
    {"recursive mutex", in_a_recursive_mutex},
    {"counting semaphore", with_the_only_permit},
    {"bounded semaphore", with_the_only_bounded_permit},
    {"condition variable", by_notifications},
    {"event", by_events},
    {"barrier", at_a_barrier},
};
INSTANTIATE_TEST_SUITE_P(in, sync_for_two_in_turn, testing::ValuesIn(games), kin_test::scenario_name);
INSTANTIATE_TEST_SUITE_P(in, long_sync_for_two_in_turn, testing::ValuesIn(games), kin_test::scenario_name);

}  // namespace

#endif
