// SPDX-License-Identifier: BSL-1.0
// sync, single-stepped: a process is stopped after 1, 2, 3 … n instructions of one operation, and killed there
// (ptrace). First whoever sleeps must go on by itself if it may, with nobody doing anything more; then the survivors'
// next operations must be right.
#include <kin/barrier.hpp>
#include <kin/condition_variable.hpp>
#include <kin/event.hpp>
#include <kin/mutex.hpp>
#include <kin/process.hpp>
#include <kin/semaphore.hpp>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "sync/forked.hpp"
#include "sync/stepped.hpp"

namespace {

using namespace std::chrono_literals;
using kin_test::forked;
using kin_test::stepped;

// What one kill point works on. Made anew for each.
struct world {
  const kin::mutex m;
  const kin::condition_variable changed;
  const kin::counting_semaphore permits{0};
  const kin::bounded_semaphore bounded{1};
  const kin::event e;
  const kin::barrier both{2};
};

struct scenario {
  std::string name;
  std::function<void(const world&)> prepare;  // in the victim, before the steps
  std::function<void(const world&)> stepped;
  // In another process; returns when it has been served. Empty: nobody waits.
  std::function<void(const world&)> waits;
  // Whether whoever waits must have been served when the victim is dead, with nobody doing anything more.
  std::function<bool(const world&)> must_go;
  // The survivors' next operations, in the test's own process.
  std::function<void(const world&)> afterwards;
};

// Another process that waits; its end can be waited for with a limit.
class waiter {
 public:
  waiter(const scenario& s, const world& w) : process_([&] { s.waits(w); }) { process_.wait_until_asleep(); }
  bool served(std::chrono::milliseconds limit) {
    for (const auto end = std::chrono::steady_clock::now() + limit;;) {
      siginfo_t info{};
      waitid(P_PID, static_cast<id_t>(process_.pid()), &info, WEXITED | WNOHANG | WNOWAIT);
      if (info.si_pid != 0) return true;
      if (std::chrono::steady_clock::now() > end) return false;
      usleep(50);
    }
  }

 private:
  forked process_;
};

bool one_kill(const scenario& s, long steps, long& made) {
  const world w;
  // Stopped before its operation.
  stepped v(
      [&] {
        if (s.prepare) s.prepare(w);
      },
      [&] { s.stepped(w); });
  std::optional<waiter> other;
  if (s.waits) other.emplace(s, w);
  const bool inside = v.step_and_die(steps, made);
  if (other && s.must_go(w)) {
    EXPECT_TRUE(other->served(20s)) << "it may go on, and sleeps";
  }
  s.afterwards(w);
  if (other) {
    EXPECT_TRUE(other->served(20s)) << "never served";
  }
  return inside;
}

void kill_everywhere(const scenario& s, long kills) {
  long length = 0, made = 0;
  ASSERT_FALSE(one_kill(s, 1'000'000, length));
  const long stride = std::max(1L, length / kills);
  long points = 0;
  for (long n = kills >= length ? 0 : stride / 2; n <= length && !testing::Test::HasFailure(); n += stride, ++points) {
    SCOPED_TRACE("killed after instruction " + std::to_string(n) + " of " + std::to_string(length));
    one_kill(s, n, made);
  }
  std::printf("             %-50s %5ld instructions, %5ld kills\n", s.name.c_str(), length, points);
}

void ignore_death(const std::function<void()>& what) {
  try {
    what();
  } catch (const kin::owner_died&) {
  } catch (const kin::broken_barrier&) {
  }
}
std::unique_lock<kin::mutex> guard(const kin::mutex& m) { return std::unique_lock(const_cast<kin::mutex&>(m)); }

// The mutex is free or abandoned, never held by nobody alive; and recovered it works.
void lock_and_unlock(const world& w) {
  ignore_death([&] { const std::scoped_lock hold(w.m); });
  { auto hold = w.m.recover(); }
  const std::scoped_lock hold(w.m);
}
const auto always = [](const world&) { return true; };
const auto join_family = [](const world& w) { (void)w.permits.try_acquire_for(1ns); };
const auto take_lock = [](const world& w) { w.m.lock(); };
const auto wait_for_lock = [](const world& w) { ignore_death([&] { const std::scoped_lock hold(w.m); }); };

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
