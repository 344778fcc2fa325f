// SPDX-License-Identifier: BSL-1.0
// killed_everywhere: one operation on the objects of sync, killed after 1, 2, 3 … n instructions (ptrace). First
// whoever sleeps must go on by itself if it may, with nobody doing anything more; then the survivors' next operations
// must be right.
#pragma once

#include <kin/barrier.hpp>
#include <kin/condition_variable.hpp>
#include <kin/event.hpp>
#include <kin/mutex.hpp>
#include <kin/semaphore.hpp>
#include <kin/value.hpp>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "sync/forked.hpp"
#include "sync/stepped.hpp"

namespace kin_test {

using namespace std::chrono_literals;

struct account {
  long first, second;  // equal, when nobody is about to change them
};

// What one kill point works on. Made anew for each.
struct world {
  const kin::mutex m;
  const kin::recursive_mutex again;
  const kin::condition_variable changed;
  const kin::counting_semaphore permits{0};
  const kin::bounded_semaphore bounded{1};
  const kin::event e;
  const kin::barrier both{2}, three{3};
  const kin::value<account> money;
  const kin::bounded_semaphore alive{1};     // the victim's, while it lives
  mutable bool held = false, given = false;  // by the test's own process: what the victim sleeps for
};

using action = std::function<void(const world&)>;

struct scenario {
  std::string name;
  action prepare;  // in the victim, before the steps
  action stepped;
  // In another process; returns when it has been served. Empty: nobody waits.
  action waits;
  // Whether whoever waits must have been served when the victim is dead, with nobody doing anything more.
  std::function<bool(const world&)> must_go;
  // The survivors' next operations, in the test's own process.
  action afterwards;
  // In the test's own process: before all; and at each sleep of the victim, which must go on then.
  action before = {}, supplies = {};
  long most = 1'000'000;  // after so many instructions it only throws
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

inline bool one_kill(const scenario& s, long steps, course& way, long& sleeps) {
  const world w;
  if (s.before) s.before(w);
  // Stopped before its operation.
  stepped v(
      [&] {
        if (s.prepare) s.prepare(w);
      },
      [&] { s.stepped(w); });
  std::optional<waiter> other;
  if (s.waits) other.emplace(s, w);
  const bool inside = v.step_and_die(steps, way, [&] {
    ++sleeps;
    if (s.supplies) s.supplies(w);
  });
  if (other && s.must_go(w)) {
    EXPECT_TRUE(other->served(patience())) << "it may go on, and sleeps";
  }
  s.afterwards(w);
  if (other) {
    EXPECT_TRUE(other->served(patience())) << "never served";
  }
  return inside;
}

/// At about so many of its instructions; or at all, up to a run that came to its end, for not each is as long.
inline void kill_everywhere(const scenario& s, long kills) {
  course way;
  long sleeps = 0, others = 0;
  ASSERT_FALSE(one_kill(s, 1'000'000, way, sleeps));
  ASSERT_TRUE(!s.supplies || sleeps > 0) << "it got what it was to sleep for without a sleep";
  const long length = std::min(way.made, s.most);
  const bool all = kills >= length;
  const long stride = std::max(1L, length / kills);
  long points = 0;
  bool inside = true;
  for (long n = all ? 0 : stride / 2; n <= length || (all && inside && n < s.most); n += stride, ++points) {
    SCOPED_TRACE("killed after instruction " + std::to_string(n) + " of " + std::to_string(length));
    inside = way.follow([&](course& to) { return one_kill(s, n, to, others); });
    if (testing::Test::HasFailure()) return;
  }
  std::printf("             %-62s %5ld instructions, %ld sleeps, %5ld kills\n", s.name.c_str(), length, sleeps, points);
}

inline void ignore_death(const std::function<void()>& what) {
  try {
    what();
  } catch (const kin::owner_died&) {
  } catch (const kin::broken_barrier&) {
  }
}
inline std::unique_lock<kin::mutex> guard(const kin::mutex& m) { return std::unique_lock(const_cast<kin::mutex&>(m)); }

// The mutex is free or abandoned, never held by nobody alive; and recovered it works.
inline void lock_and_unlock(const world& w) {
  ignore_death([&] {
    EXPECT_TRUE(w.m.try_lock_for(patience()));
    w.m.unlock();
  });
  { auto hold = w.m.recover(); }
  const std::scoped_lock hold(w.m);
}
// Nobody else waits; the victim sleeps until it is given what it waits for.
inline scenario sleeps(std::string name, action prepare, action stepped, action afterwards, action before,
                       action supplies) {
  return {.name = std::move(name),
          .prepare = std::move(prepare),
          .stepped = std::move(stepped),
          .waits = {},
          .must_go = {},
          .afterwards = std::move(afterwards),
          .before = std::move(before),
          .supplies = std::move(supplies)};
}
inline constexpr auto a_while = 40ms;  // more than the steps up to a sleep take

inline const auto always = [](const world&) { return true; };
inline const auto join_family = [](const world& w) { (void)w.permits.try_acquire_for(1ns); };
inline const auto take_lock = [](const world& w) { w.m.lock(); };
inline const auto wait_for_lock = [](const world& w) { ignore_death([&] { const std::scoped_lock hold(w.m); }); };

}  // namespace kin_test
