// SPDX-License-Identifier: BSL-1.0
// mutex, recursive_mutex, condition_variable and the lock of a value, single-stepped: who locks or waits under a lock
// is killed at each instruction, asleep, and after it was woken.
#include <gtest/gtest.h>

#include <thread>
#include <utility>
#include <vector>

#include "sync/killed_everywhere.hpp"

namespace {

using namespace kin_test;

const auto hold = [](const world& w) {
  w.m.lock();
  w.held = true;
};
const auto let_go = [](const world& w) {
  if (std::exchange(w.held, false)) w.m.unlock();
};
const auto let_go_and_lock = [](const world& w) {
  let_go(w);
  lock_and_unlock(w);
};
const auto is_let_go = [](const world& w) { return !w.held; };

// The lock is the victim's from before.
auto own_guard(const world& w) { return std::unique_lock(const_cast<kin::mutex&>(w.m), std::adopt_lock); }
const auto wait_notified = [](const world& w) {
  auto lock = own_guard(w);
  w.changed.wait(lock);
  lock.unlock();
};
// It is notified under the lock, so it sleeps a second time, for the lock.
const auto notify_then_unlock = [](const world& w) {
  if (w.held) return let_go(w);
  hold(w);
  w.changed.notify_all();
};
const auto wait_until_set = [](const world& w) {
  ignore_death([&] {
    auto lock = guard(w.m);
    w.changed.wait(lock, [&] { return w.e.is_set(); });
  });
};
const auto set_and_notify = [](const world& w) {
  let_go_and_lock(w);
  const std::scoped_lock lock(w.m);
  w.e.set();
  w.changed.notify_all();
};
const auto another_is_notified = [](const world& w) {
  let_go_and_lock(w);
  forked other([&] { wait_until_set(w); });
  set_and_notify(w);
  EXPECT_EQ(other.join(), 0);
};

const auto lock_twice = [](const world& w) {
  for (int i = 0; i < 2; ++i) w.again.lock();
  for (int i = 0; i < 2; ++i) w.again.unlock();
};
const auto hold_twice = [](const world& w) {
  for (int i = 0; i < 2; ++i) w.again.lock();
  w.held = true;
};
const auto let_go_twice = [](const world& w) {
  if (std::exchange(w.held, false))
    for (int i = 0; i < 2; ++i) w.again.unlock();
};
const auto wait_for_again = [](const world& w) { ignore_death([&] { const std::scoped_lock lock(w.again); }); };
const auto again_is_right = [](const world& w) {
  let_go_twice(w);
  wait_for_again(w);
  { auto lock = w.again.recover(); }
  bool is_free = false;
  std::thread([&] {
    is_free = w.again.try_lock();
    if (is_free) w.again.unlock();
  }).join();
  EXPECT_TRUE(is_free) << "the dead one's locks are counted";
};

const auto spend = [](const world& w) {
  const std::scoped_lock lock(w.money);
  ++w.money->first;
  ++w.money->second;
};
const auto hold_money = [](const world& w) {
  w.money.lock();
  w.held = true;
};
const auto let_money_go = [](const world& w) {
  if (std::exchange(w.held, false)) w.money.unlock();
};
const auto money_is_right = [](const world& w) {
  let_money_go(w);
  try {
    const std::scoped_lock lock(w.money);
    EXPECT_EQ(w.money->first, w.money->second) << "nobody was told that it is half done";
  } catch (const kin::owner_died&) {
    auto lock = w.money.recover();
    *w.money = {};
  }
  const std::scoped_lock lock(w.money);
  EXPECT_EQ(w.money->first, w.money->second);
};

const std::vector<scenario> scenarios = {
    sleeps("lock held by another", join_family, take_lock, let_go_and_lock, hold, let_go),
    {"lock held by another, beside one who sleeps", join_family, take_lock, wait_for_lock, is_let_go, let_go_and_lock,
     hold, let_go},
    sleeps("try_lock_for that expires", join_family, [](const world& w) { (void)w.m.try_lock_for(a_while); },
           let_go_and_lock, hold, {}),
    sleeps("recursive_mutex, lock and unlock twice", join_family, lock_twice, again_is_right, {}, {}),
    {"recursive_mutex, unlock for one who sleeps", [](const world& w) { w.again.lock(); },
     [](const world& w) {
       lock_twice(w);
       w.again.unlock();
     },
     wait_for_again, always, again_is_right},
    sleeps("recursive_mutex held twice by another", join_family, lock_twice, again_is_right, hold_twice, let_go_twice),
    {"condition_variable wait", take_lock, wait_notified, {}, {}, another_is_notified, {}, notify_then_unlock},
    {"condition_variable wait, beside one who waits",
     take_lock,
     wait_notified,
     wait_until_set,
     [](const world&) { return false; },
     set_and_notify,
     {},
     notify_then_unlock},
    sleeps("condition_variable wait_for that expires", take_lock,
           [](const world& w) {
             auto lock = own_guard(w);
             (void)w.changed.wait_for(lock, a_while);
           },
           another_is_notified, {}, {}),
    {"lock of a value", join_family, spend, {}, {}, money_is_right},
    sleeps("lock of a value held by another", join_family, spend, money_is_right, hold_money, let_money_go),
};

class sync_locker_killed_at : public testing::TestWithParam<scenario> {};
class long_sync_locker_killed_at : public sync_locker_killed_at {};

TEST_P(sync_locker_killed_at, some_instructions_leaves_the_others_right) { kill_everywhere(GetParam(), 12); }
TEST_P(long_sync_locker_killed_at, every_instruction_leaves_the_others_right) {
  kill_everywhere(GetParam(), 1'000'000);
}

INSTANTIATE_TEST_SUITE_P(in, sync_locker_killed_at, testing::ValuesIn(scenarios), scenario_name);
INSTANTIATE_TEST_SUITE_P(in, long_sync_locker_killed_at, testing::ValuesIn(scenarios), scenario_name);

}  // namespace
