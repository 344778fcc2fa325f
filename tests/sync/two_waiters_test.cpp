// SPDX-License-Identifier: BSL-1.0
// sync, two who wait: none is left asleep beside what it waits for. Nobody dies meanwhile, for a death wakes all.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <kin/barrier.hpp>
#include <kin/condition_variable.hpp>
#include <kin/event.hpp>
#include <kin/mutex.hpp>
#include <kin/semaphore.hpp>

#include <gtest/gtest.h>

#include <mutex>
#include <optional>
#include <string>

#include "sync/staying.hpp"
#include "sync/stepped.hpp"

namespace {

using namespace std::chrono_literals;
using kin_test::patience;
using kin_test::staying;
using kin_test::stepped;

std::unique_lock<kin::mutex> guard(const kin::mutex& m) { return std::unique_lock(const_cast<kin::mutex&>(m)); }

// Who has been in a round is dead, and has woken whom its death wakes, before the next begins.
class roll {
 public:
  void enter() const { alive_.acquire(); }
  void until_all_have_left() const {
    for (int i = 0; i < most; ++i) EXPECT_TRUE(alive_.try_acquire_for(patience()));
    alive_.release(most);
  }

 private:
  static constexpr int most = 8;
  kin::bounded_semaphore alive_{most};
};

void both_are_served(const std::function<void()>& waits, const std::function<void()>& serves) {
  const roll all;
  const auto enters_and_waits = [&] {
    all.enter();
    waits();
  };
  staying one(enters_and_waits), two(enters_and_waits);
  one.until_done_or_asleep();
  two.until_done_or_asleep();
  EXPECT_FALSE(one.is_done() || two.is_done());
  serves();
  EXPECT_TRUE(one.done() && two.done()) << "one sleeps on";
  one.kill();
  two.kill();
  all.until_all_have_left();
}

TEST(counting_semaphore, wakes_as_many_as_it_is_released_for) {
  const kin::counting_semaphore s(0);
  both_are_served([&] { s.acquire(); }, [&] { s.release(2); });
  both_are_served([&] { s.acquire(); },
                  [&] {
                    s.release();
                    s.release();
                  });
}

TEST(bounded_semaphore, wakes_as_many_as_it_is_released_for) {
  const kin::bounded_semaphore s(2);
  s.acquire(), s.acquire();
  both_are_served([&] { s.acquire(); }, [&] { s.release(2); });
}

// Whose death gives back nothing then; whether its word comes before or behind the other's.
TEST(bounded_semaphore, gets_back_the_permit_of_who_releases_it) {
  for (const bool is_second : {false, true}) {
    const roll all;
    const kin::bounded_semaphore s(2);
    const kin::event has_one, go;
    std::optional<staying> other;
    const auto other_takes_one = [&] {
      other.emplace([&] { s.acquire(); });
      EXPECT_TRUE(other->done());
    };
    if (is_second) other_takes_one();
    staying releaser([&] {
      all.enter();
      s.acquire();
      has_one.set();
      go.wait();
      s.release();
    });
    has_one.wait();
    if (!is_second) other_takes_one();
    go.set();
    EXPECT_TRUE(releaser.done());
    releaser.kill();
    all.until_all_have_left();
    EXPECT_EQ(s.value(), 1U);
  }
}

TEST(event, lets_all_go_who_wait_although_it_is_cleared_at_once) {
  const kin::event e;
  both_are_served([&] { e.wait(); },
                  [&] {
                    e.set();
                    e.clear();
                  });
}

TEST(mutex, is_handed_on_by_who_got_it) {
  const kin::mutex m;
  m.lock();
  both_are_served([&] { const std::scoped_lock hold(m); }, [&] { m.unlock(); });
}

TEST(recursive_mutex, is_handed_on_by_who_got_it) {
  const kin::recursive_mutex m;
  m.lock(), m.lock();
  both_are_served([&] { const std::scoped_lock hold(m); }, [&] { m.unlock(), m.unlock(); });
}

TEST(condition_variable, notify_all_wakes_all) {
  const kin::mutex m;
  const kin::condition_variable changed;
  both_are_served(
      [&] {
        auto hold = guard(m);
        changed.wait(hold);
      },
      [&] {
        const std::scoped_lock hold(m);
        changed.notify_all();
      });
}

TEST(barrier, tells_all_who_wait_that_the_last_has_come_or_one_has_given_up) {
  const auto come_to = [](const kin::barrier& b) {
    try {
      b.arrive_and_wait();
    } catch (const kin::broken_barrier&) {
    }
  };
  const kin::barrier three(3), b(4);
  both_are_served([&] { come_to(three); }, [&] { three.arrive_and_wait(); });
  const auto comes = [&] { come_to(b); };
  both_are_served(comes, [&] { EXPECT_THROW((void)b.wait_for(1ms), kin::broken_barrier); });
  b.reset();
  both_are_served(comes, [&] { b.abort(); });
  b.reset();
  both_are_served(comes, [&] { b.reset(); });
}

// Steps begin with its wait; it has the lock by then.
struct one_who_waits : stepped {
  one_who_waits(const roll& all, const kin::mutex& m, const kin::condition_variable& changed)
      : stepped(
            [&] {
              all.enter();
              m.lock();
            },
            [&] {
              std::unique_lock hold(const_cast<kin::mutex&>(m), std::adopt_lock);
              changed.wait(hold);
            }) {}
};

// One who waits is stopped after each of its instructions, once the lock is free, and notified then.
TEST(condition_variable, notifies_who_has_released_its_lock_and_does_not_sleep_yet) {
  const roll all;
  for (long n = 0, waits = true; waits && !testing::Test::HasFailure(); n += 3) {
    const kin::mutex m;
    const kin::condition_variable changed;
    one_who_waits first(all, m, changed);
    for (long i = 0; i < n && waits; ++i) waits = first.step() == stepped::outcome::stepped;
    if (!m.try_lock()) continue;
    m.unlock();
    changed.notify_one();
    first.run();
    EXPECT_TRUE(first.ends(patience())) << "notified after instruction " << n << ", and sleeps";
    first.die();
    all.until_all_have_left();
  }
}

// Who has set it is stopped before it has rung; another sets it, too.
TEST(event, set_by_another_lets_go_who_waits_although_the_first_has_not_rung) {
  const kin::event e;
  const staying waiter([&] { e.wait(); });
  waiter.until_done_or_asleep();
  stepped first([] { (void)kin::mutex(); }, [&] { e.set(); });
  while (!e.is_set()) ASSERT_TRUE(first.go(1));
  e.set();
  EXPECT_TRUE(waiter.done()) << "it is set, and one sleeps";
}

// One who waits is stopped just before it sleeps, a notifier after `n` instructions; another comes to wait; then all go
// on. False: the notifier was through.
bool notified_meanwhile(const roll& all, long n) {
  const kin::mutex m;
  const kin::condition_variable changed;
  one_who_waits first(all, m, changed);
  EXPECT_TRUE(first.step_to_its_sleep());
  stepped notifier([&] { all.enter(); }, [&] { changed.notify_one(); });
  const bool inside = notifier.go(n);
  const staying second([&] {
    all.enter();
    auto hold = guard(m);
    changed.wait(hold);
  });
  second.until_done_or_asleep();
  first.run();
  EXPECT_TRUE(first.ends_or_sleeps());
  notifier.run();
  EXPECT_TRUE(notifier.ends(patience()));
  bool served = false;
  for (const auto end = std::chrono::steady_clock::now() + patience(); !served; usleep(50)) {
    served = first.ends(0ms) || second.is_done();
    if (std::chrono::steady_clock::now() > end) break;
  }
  EXPECT_TRUE(served) << "one was notified, and both sleep";
  return inside;
}

void notify_everywhere(long stride) {
  const roll all;
  long n = 0;
  for (bool inside = true; inside && !testing::Test::HasFailure(); n += stride) {
    SCOPED_TRACE("notifier stopped after instruction " + std::to_string(n));
    inside = notified_meanwhile(all, n);
    all.until_all_have_left();
  }
  std::printf("             %ld places in notify_one\n", n / stride);
}
TEST(condition_variable, notify_one_reaches_who_waited_before_although_another_comes_in_between) {
  notify_everywhere(10);
}
TEST(long_condition_variable, notify_one_reaches_who_waited_before_although_another_comes_in_between) {
  notify_everywhere(1);
}

}  // namespace

#endif
