// SPDX-License-Identifier: BSL-1.0
// sync: one who takes or gives is stopped between any two instructions (ptrace), and another does what it can do then.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <kin/condition_variable.hpp>
#include <kin/event.hpp>
#include <kin/mutex.hpp>
#include <kin/semaphore.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <mutex>
#include <string>

#include "sync/staying.hpp"
#include "sync/stepped.hpp"

namespace {

using namespace std::chrono_literals;
using kin_test::patience;
using kin_test::staying;
using kin_test::stepped;

void join_family() { (void)kin::mutex(); }

// `Object` can be had by one. One is stopped after n instructions of taking it, and another takes it if it can.
template <class Object>
void is_had_by_one_only(const std::function<Object()>& make, void (*take)(const Object&),
                        bool (*try_take)(const Object&)) {
  bool inside = true;
  for (long n = 0; inside && !testing::Test::HasFailure(); ++n) {
    const Object o = make();
    stepped first(join_family, [&] { take(o); });
    inside = first.go(n);
    const bool had = try_take(o);
    first.run();
    EXPECT_TRUE(first.ends_or_sleeps());
    EXPECT_NE(first.ends(0ms), had) << "stopped after instruction " << n << ", both have it, or none";
  }
}

TEST(mutex, is_had_by_one_only) {
  using kin::mutex;
  is_had_by_one_only<mutex>([] { return mutex(); }, [](const mutex& m) { m.lock(); },
                            [](const mutex& m) { return m.try_lock(); });
}
TEST(counting_semaphore, gives_its_only_permit_to_one_only) {
  using semaphore = kin::counting_semaphore;
  is_had_by_one_only<semaphore>([] { return semaphore(1); }, [](const semaphore& s) { s.acquire(); },
                                [](const semaphore& s) { return s.try_acquire(); });
}
TEST(bounded_semaphore, gives_its_only_permit_to_one_only) {
  using semaphore = kin::bounded_semaphore;
  is_had_by_one_only<semaphore>([] { return semaphore(1); }, [](const semaphore& s) { s.acquire(); },
                                [](const semaphore& s) { return s.try_acquire(); });
}

// Who gives is stopped after each instruction, until who sleeps has looked and sleeps again, or has what it waits for.
void who_sleeps_is_served(const std::function<void()>& waits, const std::function<void()>& prepares,
                          const std::function<void()>& gives) {
  stepped giver(
      [&] {
        join_family();
        prepares();
      },
      gives);
  const staying waiter(waits);
  waiter.until_done_or_asleep();
  EXPECT_FALSE(waiter.is_done());
  while (giver.go(1)) waiter.until_done_or_asleep();
  EXPECT_TRUE(waiter.done()) << "it was woken before there was something for it, and sleeps for ever";
}

TEST(mutex, is_free_before_who_sleeps_is_woken) {
  const kin::mutex m;
  who_sleeps_is_served([&] { const std::scoped_lock hold(m); }, [&] { m.lock(); }, [&] { m.unlock(); });
}
TEST(recursive_mutex, is_the_next_ones_alone_once_it_is_free) {
  const kin::recursive_mutex m;
  const kin::event go;
  const auto hold_until_go = [&] {
    const std::scoped_lock hold(m);
    go.wait();
  };
  stepped giver([&] { m.lock(); }, [&] { m.unlock(); });
  const staying waiter(hold_until_go);
  waiter.until_done_or_asleep();
  while (giver.go(1)) waiter.until_done_or_asleep();
  go.set();
  EXPECT_TRUE(waiter.done());
  EXPECT_TRUE(m.try_lock_for(patience())) << "its count is wrong";
  m.unlock();
}
TEST(counting_semaphore, has_the_permit_before_who_sleeps_is_woken) {
  const kin::counting_semaphore s(0);
  who_sleeps_is_served([&] { s.acquire(); }, [] {}, [&] { s.release(); });
}
TEST(bounded_semaphore, has_the_permit_before_who_sleeps_is_woken) {
  const kin::bounded_semaphore s(1);
  who_sleeps_is_served([&] { s.acquire(); }, [&] { s.acquire(); }, [&] { s.release(); });
}
TEST(event, is_set_before_who_sleeps_is_woken) {
  const kin::event e;
  who_sleeps_is_served([&] { e.wait(); }, [] {}, [&] { e.set(); });
}
TEST(condition_variable, has_counted_before_who_sleeps_is_woken) {
  const kin::mutex m;
  const kin::condition_variable changed;
  const auto waits = [&] {
    std::unique_lock hold(const_cast<kin::mutex&>(m));
    changed.wait(hold);
  };
  who_sleeps_is_served(
      waits, [] {}, [&] { changed.notify_one(); });
}

}  // namespace

#endif
