// SPDX-License-Identifier: BSL-1.0
// sync, single-stepped: operations that do not sleep, killed at each of their instructions.
#include <gtest/gtest.h>

#include <vector>

#include "sync/killed_everywhere.hpp"

namespace {

using namespace kin_test;

const std::vector<scenario> scenarios = {
    {"lock", join_family, take_lock, {}, {}, lock_and_unlock},
    {"lock by a process that is no member yet", {}, take_lock, {}, {}, lock_and_unlock},
    {"unlock", take_lock, [](const world& w) { w.m.unlock(); }, {}, {}, lock_and_unlock},
    {"unlock for one who sleeps", take_lock, [](const world& w) { w.m.unlock(); }, wait_for_lock, always,
     lock_and_unlock},
    {"recover",
     [](const world& w) { (void)forked([&] { w.m.lock(); }).join(); },
     [](const world& w) { w.m.recover().release(); },
     {},
     {},
     lock_and_unlock},
    {"semaphore acquire",
     [](const world& w) { w.permits.release(2); },
     [](const world& w) { w.permits.acquire(); },
     {},
     {},
     [](const world& w) {
       const std::size_t left = w.permits.value();
       ASSERT_TRUE(left == 1 || left == 2);
       for (std::size_t i = 0; i < left; ++i) ASSERT_TRUE(w.permits.try_acquire());
       ASSERT_FALSE(w.permits.try_acquire());
     }},
    {"semaphore release for one who sleeps", join_family, [](const world& w) { w.permits.release(); },
     [](const world& w) {
       w.permits.acquire();
       w.permits.release();
     },
     [](const world& w) { return w.permits.value() > 0; }, [](const world& w) { w.permits.release(); }},
    {"bounded semaphore acquire",
     join_family,
     [](const world& w) { w.bounded.acquire(); },
     {},
     {},
     [](const world& w) {
       ASSERT_TRUE(w.bounded.try_acquire_for(20s)) << "a dead one's permit";
       ASSERT_FALSE(w.bounded.try_acquire());
     }},
    {"bounded semaphore release for one who sleeps", [](const world& w) { w.bounded.acquire(); },
     [](const world& w) { w.bounded.release(); }, [](const world& w) { w.bounded.acquire(); }, always,
     [](const world& w) {
       ASSERT_TRUE(w.bounded.try_acquire_for(20s));
       w.bounded.release();
     }},
    {"event set for one who sleeps", join_family, [](const world& w) { w.e.set(); }, [](const world& w) { w.e.wait(); },
     [](const world& w) { return w.e.is_set(); }, [](const world& w) { w.e.set(); }},
    {"notify_one for one who sleeps", join_family, [](const world& w) { w.changed.notify_one(); },
     [](const world& w) {
       auto hold = guard(w.m);
       w.changed.wait(hold);
     },
     [](const world&) { return false; },
     [](const world& w) {
       const std::scoped_lock hold(w.m);
       w.changed.notify_one();
     }},
    {"notify_all for one who sleeps", join_family, [](const world& w) { w.changed.notify_all(); },
     [](const world& w) {
       auto hold = guard(w.m);
       w.changed.wait(hold);
     },
     [](const world&) { return false; },
     [](const world& w) {
       const std::scoped_lock hold(w.m);
       w.changed.notify_all();
     }},
    // It becomes one first: only a member's death wakes whom it should have woken.
    {"semaphore release for one who sleeps, by no member yet",
     {},
     [](const world& w) { w.permits.release(); },
     [](const world& w) {
       w.permits.acquire();
       w.permits.release();
     },
     [](const world& w) { return w.permits.value() > 0; },
     [](const world& w) { w.permits.release(); }},
    {"event set for one who sleeps, by no member yet",
     {},
     [](const world& w) { w.e.set(); },
     [](const world& w) { w.e.wait(); },
     [](const world& w) { return w.e.is_set(); },
     [](const world& w) { w.e.set(); }},
    // Whoever waits, waits with the victim, or finds the barrier broken by its death.
    {"barrier, the last to arrive", join_family, [](const world& w) { w.both.arrive_and_wait(); },
     [](const world& w) { ignore_death([&] { w.both.arrive_and_wait(); }); },
     [](const world& w) { return w.both.waiting() == 0 || w.both.broken(); },
     [](const world& w) {
       if (w.both.waiting() == 1) ignore_death([&] { w.both.arrive_and_wait(); });
       w.both.reset();
     }},
};

class sync_killed_at : public testing::TestWithParam<scenario> {};
class long_sync_killed_at : public sync_killed_at {};

TEST_P(sync_killed_at, some_instructions_leaves_the_others_right) { kill_everywhere(GetParam(), 12); }
TEST_P(long_sync_killed_at, every_instruction_leaves_the_others_right) { kill_everywhere(GetParam(), 1'000'000); }

INSTANTIATE_TEST_SUITE_P(in, sync_killed_at, testing::ValuesIn(scenarios), kin_test::scenario_name);
INSTANTIATE_TEST_SUITE_P(in, long_sync_killed_at, testing::ValuesIn(scenarios), kin_test::scenario_name);

}  // namespace
