// SPDX-License-Identifier: BSL-1.0
// shared memory under random kills: processes in all roles that mutex, condition_variable, semaphores, barrier, event,
// queue, shared_dict and shared_list have are killed wherever they are, and replaced. Whoever is left goes on, and what
// is left is whole. KIN_KILLS_SECONDS and KIN_KILLS_SEED choose how long and which; the seed is printed.
#include <kin/array.hpp>
#include <kin/barrier.hpp>
#include <kin/condition_variable.hpp>
#include <kin/event.hpp>
#include <kin/mutex.hpp>
#include <kin/process.hpp>
#include <kin/queue.hpp>
#include <kin/semaphore.hpp>
#include <kin/shared_dict.hpp>
#include <kin/shared_list.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "support/leaves_nothing_behind.hpp"
#include "sync/forked.hpp"
#include "sync/shared_page.hpp"

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;
using kin_test::forked;
using kin_test::shared_page;

// What the first use leaves open until the process ends.
[[maybe_unused]] const bool warm = kin_test::warm_up([] {
  const kin::event e;
  const kin::array<char> large(64 << 10);
  kin::process([] {}).join();
});

struct item {
  int producer = 0;
  long number = 0;
  std::string text;
};

// What cannot be seen from outside: how far each role has come, and what it has found wrong.
struct accounts {
  struct alignas(64) turns {
    std::atomic<long> n;
  };
  std::array<turns, 16> of_role;
  std::atomic<long> inside, first, second, permits, put, got;
  std::array<std::atomic<long>, 2> last_put, last_got;  // of each producer
  std::atomic<const char*> wrong;
};

// Made anew every few seconds: objects that went to another process keep their memory as long as the family lives.
struct world {
  const kin::mutex m;
  const kin::mutex changing;
  const kin::condition_variable changed;
  const kin::counting_semaphore permits{0};
  const kin::bounded_semaphore two{2};
  const kin::barrier both{2};
  const kin::event set;
  const kin::queue<item> items{8};
  const kin::shared_dict<int, std::string> dict;
  const kin::shared_list<std::string> list;
  const shared_page<accounts> a;

  void expect(bool what, const char* claim) const {
    if (!what) a->wrong = claim;
  }
};

std::unique_lock<kin::mutex> locked(
    const kin::mutex& m, const std::function<void()>& repair = [] {}) {
  try {
    return std::unique_lock(const_cast<kin::mutex&>(m));
  } catch (const kin::owner_died&) {
    auto hold = m.recover();
    repair();
    return hold;
  }
}

std::string text(long n) {
  return std::string(static_cast<std::size_t>(n % 7 == 0 ? 3000 : n % 50), static_cast<char>('a' + n % 26));
}
bool is_whole(const std::string& s) { return s.find_first_not_of(s.empty() ? 'a' : s[0]) == std::string::npos; }

void spends(const world& w) {
  accounts& a = *w.a;
  const auto hold = locked(w.m, [&] {
    a.inside = 0;
    a.second = a.first.load();
  });
  w.expect(++a.inside == 1, "two hold the mutex");
  w.expect(a.first == a.second, "a half-done change was not announced");
  ++a.first;
  ++a.second;
  --a.inside;
}

// A waiter with the mutex of a dead notifier finds it abandoned: it accepts that, and looks again.
void waits_for_change(const world& w) {
  auto hold = locked(w.changing);
  const long seen = w.a->permits;
  while (w.a->permits == seen) {
    try {
      w.changed.wait(hold);
    } catch (const kin::owner_died&) {
      hold = w.changing.recover();
    }
  }
}
void changes(const world& w) {
  {
    const auto hold = locked(w.changing);
    ++w.a->permits;
  }
  w.changed.notify_all();
}

void puts(const world& w, int producer) {
  const long n = w.a->last_put[static_cast<std::size_t>(producer)] + 1;
  // Before the put, so that one who is killed right behind it does not put the number twice.
  w.a->last_put[static_cast<std::size_t>(producer)] = n;
  w.items.put(item{producer, n, text(n)});
}
void gets(const world& w) {
  const item i = w.items.get();
  w.expect(i.producer >= 0 && i.producer < 2 && i.text == text(i.number), "an item is torn");
  ++w.a->got;
}

struct role {
  const char* name;
  std::function<void(const world&)> once;
};

const std::vector<role> roles = {
    {"holds a mutex", spends},
    {"holds the same mutex", spends},
    {"waits for a change", waits_for_change},
    {"changes and notifies", changes},
    {"releases and acquires a semaphore",
     [](const world& w) {
       w.permits.release();
       w.permits.acquire();
     }},
    {"holds one of two permits",
     [](const world& w) {
       w.two.acquire();
       w.two.release();
     }},
    {"holds one of two permits",
     [](const world& w) {
       w.two.acquire();
       w.two.release();
     }},
    {"arrives at a barrier",
     [](const world& w) {
       try {
         w.both.arrive_and_wait();
       } catch (const kin::broken_barrier&) {
         w.both.reset();
       }
     }},
    {"arrives at a barrier, too",
     [](const world& w) {
       try {
         w.both.arrive_and_wait();
       } catch (const kin::broken_barrier&) {
         w.both.reset();
       }
     }},
    {"sets an event and clears it",
     [](const world& w) {
       w.set.set();
       w.set.clear();
     }},
    {"waits for an event", [](const world& w) { w.set.wait(); }},
    {"puts", [](const world& w) { puts(w, 0); }},
    {"puts, too", [](const world& w) { puts(w, 1); }},
    {"gets", gets},
    {"gets, too", gets},
    {"changes a dict and a list",
     [](const world& w) {
       const long n = ++w.a->put;
       w.dict.set(static_cast<int>(n % 20), text(n));
       if (n % 3 == 0) w.dict.erase(static_cast<int>(n / 3 % 20));
       if (const auto found = w.dict.get(static_cast<int>(n % 11)))
         w.expect(is_whole(*found), "a dict's value is torn");
       if (w.list.size() < 30)
         w.list.push_back(text(n));
       else
         w.list.clear();
       for (const std::string& s : w.list) w.expect(is_whole(s), "a list's element is torn");
     }},
};

// One world: kills for a while, then all roles have to go on. Returns how many kills.
long one_world(std::mt19937_64& random, std::chrono::milliseconds time) {
  const world w;
  std::vector<forked> all;
  const auto start = [&](std::size_t r) {
    return forked([&w, r] {
      for (;;) {
        roles[r].once(w);
        ++w.a->of_role[r].n;
      }
    });
  };
  for (std::size_t r = 0; r < roles.size(); ++r) all.push_back(start(r));
  long kills = 0;
  for (const auto end = clock::now() + time; clock::now() < end; ++kills) {
    usleep(static_cast<unsigned>(random() % 1500));
    const std::size_t victim = random() % all.size();
    all[victim].kill();
    all[victim] = start(victim);
  }
  std::array<long, 16> before{};
  for (std::size_t r = 0; r < roles.size(); ++r) before[r] = w.a->of_role[r].n;
  const auto limit = clock::now() + 60s;  // for what takes a moment; the machine may be busy
  for (std::size_t r = 0; r < roles.size(); ++r) {
    while (w.a->of_role[r].n < before[r] + 3 && clock::now() < limit) usleep(1000);
    EXPECT_GE(w.a->of_role[r].n, before[r] + 3) << "hangs: who " << roles[r].name;
  }
  for (forked& one : all) one.kill();
  EXPECT_EQ(w.a->wrong.load(), nullptr) << w.a->wrong.load();
  EXPECT_LE(w.items.size(), 8u);
  long left = 0;
  for (; const auto i = w.items.try_get(); ++left) EXPECT_EQ(i->text, text(i->number));
  // A put or a get that was killed costs its own item at most.
  const long put = w.a->last_put[0] + w.a->last_put[1];
  EXPECT_LE(w.a->got + left, put);
  EXPECT_GE(w.a->got + left, put - kills - static_cast<long>(roles.size()));
  EXPECT_LE(w.dict.size(), 20u);
  for (const auto& [key, value] : w.dict.items()) EXPECT_TRUE(is_whole(value)) << key;
  return kills;
}

void kill_at_random(std::chrono::seconds time) {
  const char* chosen = std::getenv("KIN_KILLS_SEED");
  const std::uint64_t seed = chosen ? std::strtoull(chosen, nullptr, 10) : std::random_device()();
  std::printf("KIN_KILLS_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  std::mt19937_64 random(seed);
  if (const char* seconds = std::getenv("KIN_KILLS_SECONDS")) time = std::chrono::seconds(std::atol(seconds));
  long kills = 0, worlds = 0;
  for (const auto end = clock::now() + time; clock::now() < end && !testing::Test::HasFailure(); ++worlds)
    kills += one_world(random, 700ms);
  std::printf("             %ld kills in %ld worlds\n", kills, worlds);
}

TEST(random_kills, hurt_nobody_else) { kill_at_random(2s); }
TEST(long_random_kills, hurt_nobody_else_for_ten_minutes) { kill_at_random(600s); }

}  // namespace
