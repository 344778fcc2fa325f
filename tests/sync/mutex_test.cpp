// SPDX-License-Identifier: BSL-1.0
// mutex, recursive_mutex: between threads, between processes, under kill.
#include <kin/event.hpp>
#include <kin/mutex.hpp>
#include <kin/pipe.hpp>
#include <kin/pool.hpp>
#include <kin/process.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <mutex>
#include <optional>
#include <random>
#include <system_error>
#include <thread>
#include <vector>

#include "support/leaves_nothing_behind.hpp"
#include "sync/forked.hpp"
#include "sync/shared_page.hpp"

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;
using kin_test::forked;
using kin_test::shared_page;

forked holder_of(const kin::mutex& m) {
  const kin::event held;
  forked holder([&] {
    m.lock();
    held.set();
    for (;;) pause();
  });
  held.wait();
  return holder;
}

TEST(mutex, excludes_threads) {
  const kin::mutex m;
  long n = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        const std::scoped_lock hold(m);
        ++n;
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(n, 80'000);
}

TEST(mutex, excludes_processes) {
  const kin::mutex m;
  const shared_page<volatile long> n;
  std::vector<forked> children;
  for (int c = 0; c < 4; ++c)
    children.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        const std::scoped_lock hold(m);
        *n = *n + 1;
      }
    });
  for (auto& c : children) EXPECT_EQ(c.join(), 0);
  EXPECT_EQ(*n, 80'000);
}

TEST(mutex, is_refused_while_another_thread_holds_it) {
  const kin::mutex m;
  const std::scoped_lock hold(m);
  std::thread([&] {
    EXPECT_FALSE(m.try_lock());
    const auto start = clock::now();
    EXPECT_FALSE(m.try_lock_for(30ms));
    EXPECT_GE(clock::now() - start, 30ms);
    EXPECT_THROW(m.unlock(), std::system_error);
    EXPECT_FALSE(m.try_lock_until(clock::now() + 1ms));
    EXPECT_FALSE(m.try_lock_until(std::chrono::system_clock::now() + 1ms));
  }).join();
}

TEST(mutex, says_that_its_holder_locks_it_again) {
  const kin::mutex m;
  const std::scoped_lock hold(m);
  EXPECT_THROW(m.lock(), std::system_error);
}

TEST(mutex, says_that_somebody_unlocks_it_who_does_not_hold_it) {
  const kin::mutex m;
  EXPECT_THROW(m.unlock(), std::system_error);
  m.lock();
  m.unlock();
  EXPECT_THROW(m.unlock(), std::system_error);
  const std::scoped_lock hold(m);
  std::thread([&] { EXPECT_THROW(m.unlock(), std::system_error); }).join();
}

TEST(mutex, of_a_thread_that_has_ended_is_not_held_by_a_later_one) {
  const kin::mutex m;
  std::thread([&] { m.lock(); }).join();
  for (int i = 0; i < 3; ++i)
    std::thread([&] {
      EXPECT_FALSE(m.try_lock());
      EXPECT_THROW(m.unlock(), std::system_error);
    }).join();
}

TEST(mutex, is_the_same_one_in_a_copy) {
  const kin::mutex m;
  const kin::mutex copy = m;  // NOLINT(performance-unnecessary-copy-initialization): the copy is the test
  EXPECT_EQ(copy, m);
  EXPECT_NE(kin::mutex(), m);
  const std::scoped_lock hold(m);
  std::thread([&] { EXPECT_FALSE(copy.try_lock()); }).join();
}

TEST(mutex, locks_with_others_by_scoped_lock) {
  const kin::mutex a, b;
  std::thread one([&] {
    for (int i = 0; i < 1000; ++i) const std::scoped_lock hold(a, b);
  });
  for (int i = 0; i < 1000; ++i) const std::scoped_lock hold(b, a);
  one.join();
}

TEST(mutex, goes_to_a_spawned_process) {
  const kin::mutex m;
  const kin::event held, go;
  kin::process child(
      [](const kin::mutex& theirs, const kin::event& is_held, const kin::event& may_go) {
        const std::scoped_lock hold(theirs);
        is_held.set();
        may_go.wait();
      },
      m, held, go);
  held.wait();
  EXPECT_FALSE(m.try_lock());
  go.set();
  const std::scoped_lock hold(m);
  child.join();
}

TEST(mutex, goes_into_tasks_of_a_pool) {
  const kin::mutex m;
  kin::pool workers(2);
  const auto task = [](kin::mutex theirs, int) {
    for (int i = 0; i < 100; ++i) const std::scoped_lock hold(theirs);
    return 1;
  };
  std::vector<kin::future<int>> answers;
  for (int i = 0; i < 20; ++i) answers.push_back(workers.apply_async(task, m, i));
  int sum = 0;
  for (auto& a : answers) sum += a.get();
  EXPECT_EQ(sum, 20);
}

TEST(mutex, made_by_a_process_that_died_is_usable) {
  auto [ours, theirs] = kin::pipe();
  kin::process maker([](kin::connection to) { to.send(kin::mutex()); }, std::move(theirs));
  const auto m = ours.recv<kin::mutex>();
  maker.join();
  // Its memory is given to nobody else.
  for (int i = 0; i < 3; ++i) kin::process([] { const kin::mutex other; }).join();
  const std::scoped_lock hold(m);
  std::thread([&] { EXPECT_FALSE(m.try_lock()); }).join();
}

TEST(mutex, of_another_family_is_refused) {
  const kin::mutex m;
  auto message = kin::detail::encode(m);
  message.bytes[0] ^= std::byte{1};
  EXPECT_THROW((void)kin::detail::decode<kin::mutex>(std::move(message)), kin::decode_error);
}

TEST(mutex, is_not_what_damaged_bytes_say) {
  const kin::mutex m;
  const auto whole = kin::detail::encode(m).bytes;
  std::mt19937_64 chance(1);
  for (int i = 0; i < 3000; ++i) {
    kin::detail::parcel message;
    message.bytes = whole;
    message.bytes[8 + chance() % (whole.size() - 8)] ^= static_cast<std::byte>(1 + chance() % 255);
    EXPECT_THROW((void)kin::detail::decode<kin::mutex>(std::move(message)), kin::decode_error);
  }
  EXPECT_THROW((void)kin::detail::decode<kin::event>(kin::detail::encode(m)), kin::decode_error);
}

TEST(mutex, ten_thousand_cost_no_descriptor) {
  const auto before = kin_test::belongings::now().descriptors.size();
  std::vector<kin::mutex> many(10'000);
  for (auto& m : many) const std::scoped_lock hold(m);
  EXPECT_LE(kin_test::belongings::now().descriptors.size(), before + 2);
}

TEST(mutex, memory_is_used_again) {
  const auto resident = [] {
    std::ifstream status("/proc/self/statm");
    long size = 0, pages = 0, shared = 0;
    status >> size >> pages >> shared;
    return shared;
  };
  { const kin::mutex m; }
  const long before = resident();
  for (int i = 0; i < 100'000; ++i) {
    const kin::mutex m;
    const std::scoped_lock hold(m);
  }
  EXPECT_LE(resident(), before + 16) << "pages";
}

// How long until the last of those who wait, threads and processes, has heard of it.
clock::duration time_to_tell_a_death() {
  const kin::mutex m;
  forked holder = holder_of(m);
  const shared_page<std::atomic<int>> told;
  std::vector<forked> waiters;
  for (int i = 0; i < 3; ++i)
    waiters.emplace_back([&] {
      try {
        m.lock();
      } catch (const kin::owner_died&) {
        ++*told;
      }
    });
  for (auto& w : waiters) w.wait_until_asleep();
  std::thread thread([&] { EXPECT_THROW(m.lock(), kin::owner_died); });
  std::this_thread::sleep_for(20ms);
  const auto start = clock::now();
  holder.kill();
  thread.join();
  for (auto& w : waiters) EXPECT_EQ(w.join(), 0);
  const auto took = clock::now() - start;
  EXPECT_EQ(*told, 3);
  return took;
}

// The best of some: a busy machine may keep anybody from hearing of it.
TEST(mutex, of_a_killed_holder_throws_to_who_waits_within_100_ms) {
  auto soonest = time_to_tell_a_death();
  for (int i = 1; i < 20 && soonest >= 100ms; ++i) soonest = std::min(soonest, time_to_tell_a_death());
  EXPECT_LT(soonest, 100ms);
}

TEST(mutex, of_a_killed_holder_throws_to_who_comes_later) {
  const kin::mutex m;
  holder_of(m).kill();
  EXPECT_THROW(m.lock(), kin::owner_died);
  EXPECT_THROW((void)m.try_lock_for(1s), kin::owner_died);
  EXPECT_THROW((void)m.try_lock(), kin::owner_died);
  EXPECT_THROW(std::scoped_lock hold(m), kin::owner_died);
  EXPECT_THROW(m.unlock(), std::system_error) << "nobody holds it";
}

TEST(mutex, is_usable_again_after_recover) {
  const kin::mutex m;
  holder_of(m).kill();
  EXPECT_THROW(m.lock(), kin::owner_died);
  {
    auto hold = m.recover();
    EXPECT_TRUE(hold.owns_lock());
    std::thread([&] { EXPECT_FALSE(m.try_lock()); }).join();
  }
  const std::scoped_lock hold(m);
}

TEST(mutex, recover_of_one_in_use_waits_for_it) {
  const kin::mutex m;
  m.lock();
  std::atomic<bool> got = false;
  std::thread other([&] {
    auto hold = m.recover();
    got = true;
  });
  std::this_thread::sleep_for(20ms);
  EXPECT_FALSE(got);
  m.unlock();
  other.join();
}

TEST(mutex, is_recovered_by_one_only) {
  const kin::mutex m;
  holder_of(m).kill();
  const shared_page<std::atomic<int>> inside;
  std::vector<forked> all;
  for (int i = 0; i < 4; ++i)
    all.emplace_back([&] {
      auto hold = m.recover();
      if (inside->fetch_add(1) != 0) _exit(2);
      usleep(1000);
      inside->fetch_sub(1);
    });
  for (auto& a : all) EXPECT_EQ(a.join(), 0);
}

TEST(mutex, of_a_holder_that_exits_is_abandoned) {
  const kin::mutex m;
  kin::process([](const kin::mutex& theirs) { theirs.lock(); }, m).join();
  EXPECT_THROW(m.lock(), kin::owner_died);
}

TEST(mutex, is_unlocked_by_static_objects_at_exit) {
  const kin::mutex m;
  kin::process holder(
      [](const kin::mutex& theirs) {
        static const kin::mutex kept = theirs;
        static std::optional<std::scoped_lock<const kin::mutex>> guard;
        guard.emplace(kept);
      },
      m);
  holder.join();
  EXPECT_EQ(holder.exitcode(), 0);
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

TEST(mutex, is_unlocked_by_objects_of_its_thread_that_are_older) {
  const kin::mutex m;
  std::thread([&] {
    static thread_local std::optional<std::scoped_lock<const kin::mutex>> guard;
    (void)&guard;  // made before this thread uses kin, and so destroyed after what kin keeps of it
    guard.emplace(m);
  }).join();
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

TEST(mutex, goes_on_when_a_waiter_is_killed) {
  const kin::mutex m;
  m.lock();
  std::vector<forked> waiters;
  for (int i = 0; i < 4; ++i)
    waiters.emplace_back([&] {
      const std::scoped_lock hold(m);
      usleep(500);
    });
  for (auto& w : waiters) w.wait_until_asleep();
  waiters[0].kill();
  m.unlock();
  waiters[1].kill();  // perhaps woken, perhaps with the lock
  for (std::size_t i = 2; i < 4; ++i) {
    const int code = waiters[i].join();
    EXPECT_TRUE(code == 0 || code == 1) << code;  // 1: owner_died
  }
  auto hold = m.recover();
}

#ifndef __SANITIZE_THREAD__  // which is blind between processes, and takes minutes to copy its own so often
// Each child adds one to both counters under the lock. A killed one may leave them different: then owner_died says so.
struct account {
  std::atomic<long> first{0}, second{0}, inside{0}, overlaps{0}, wrong{0}, recovered{0}, turns{0};
};
void spend(const kin::mutex& m, account& a) {
  for (;;) {
    std::unique_lock<kin::mutex> hold;
    try {
      hold = std::unique_lock(const_cast<kin::mutex&>(m));
      if (a.inside.exchange(getpid()) != 0) ++a.overlaps;
      if (a.first != a.second) ++a.wrong;
    } catch (const kin::owner_died&) {
      hold = m.recover();
      a.inside = getpid();
      if (a.first != a.second) a.second = a.first.load();
      ++a.recovered;
    }
    ++a.first;
    ++a.second;
    ++a.turns;
    if (a.inside.exchange(0) != getpid()) ++a.overlaps;
  }
}

void kill_at_random(int kills) {
  const kin::mutex m;
  const shared_page<account> a;
  std::mt19937 chance(42);
  std::vector<forked> workers;
  const auto start = [&] { return forked([&] { spend(m, *a); }); };
  for (int i = 0; i < 4; ++i) workers.push_back(start());
  for (int i = 0; i < kills; ++i) {
    usleep(static_cast<unsigned>(chance() % 300));
    const std::size_t victim = chance() % workers.size();
    workers[victim].kill();
    workers.erase(workers.begin() + static_cast<std::ptrdiff_t>(victim));
    workers.push_back(start());
  }
  const long before = a->turns;
  const auto limit = clock::now() + 20s;
  while (a->turns < before + 1000 && clock::now() < limit) usleep(1000);
  EXPECT_GE(a->turns, before + 1000) << "the survivors hang";
  EXPECT_EQ(a->overlaps, 0);
  EXPECT_EQ(a->wrong, 0) << "a half-done change was not announced by owner_died";
  std::printf("             %d kills, %ld abandoned locks recovered, %ld turns\n", kills, a->recovered.load(),
              a->turns.load());
}

TEST(mutex, survives_1000_random_kills) { kill_at_random(1000); }
TEST(long_mutex, survives_10000_random_kills) { kill_at_random(10'000); }
#endif

TEST(recursive_mutex, is_locked_again_by_its_thread) {
  const kin::recursive_mutex m;
  const std::scoped_lock one(m);
  const std::scoped_lock two(m);
  EXPECT_TRUE(m.try_lock());
  m.unlock();
  std::thread([&] { EXPECT_FALSE(m.try_lock()); }).join();
}

TEST(recursive_mutex, is_free_after_as_many_unlocks) {
  const kin::recursive_mutex m;
  m.lock();
  m.lock();
  m.unlock();
  std::thread([&] { EXPECT_FALSE(m.try_lock()); }).join();
  m.unlock();
  std::thread([&] {
    EXPECT_TRUE(m.try_lock());
    m.unlock();
  }).join();
  EXPECT_THROW(m.unlock(), std::system_error);
}

TEST(recursive_mutex, of_a_killed_holder_is_abandoned_and_recovered) {
  const kin::recursive_mutex m;
  const kin::event held;
  forked holder([&] {
    m.lock();
    m.lock();
    held.set();
    pause();
  });
  held.wait();
  holder.kill();
  EXPECT_THROW(m.lock(), kin::owner_died);
  auto hold = m.recover();
  hold.unlock();
  const std::scoped_lock again(m);
}

}  // namespace
