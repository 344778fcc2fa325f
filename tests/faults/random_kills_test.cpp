// SPDX-License-Identifier: BSL-1.0
// shared memory under random kills: processes in all roles (roles_to_kill.hpp) are killed wherever they are, and
// replaced. Whoever is left goes on, and what is left is whole. KIN_KILLS_SECONDS and KIN_KILLS_SEED choose how long
// and which; the seed is printed.
#include <kin/array.hpp>
#include <kin/event.hpp>
#include <kin/process.hpp>

#include <gtest/gtest.h>
#include <sys/resource.h>
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

#include "faults/roles_to_kill.hpp"
#include "support/leaves_nothing_behind.hpp"
#include "sync/forked.hpp"

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;
using kin_test::forked;
using kin_test::roles;
using kin_test::text;
using kin_test::world;

// What the first use leaves open until the process ends.
[[maybe_unused]] const bool warm = kin_test::warm_up([] {
  const kin::event e;
  const kin::array<char> large(64 << 10);
  kin::process([] {}).join();
});

long messages_in(kin::connection& from) {
  long n = 0;
  for (; from.poll(); ++n) {
    const auto got = from.recv<kin_test::item>();
    EXPECT_EQ(got.text, text(got.number));
  }
  return n;
}

// One world: kills for a while, then all roles have to go on. Returns how many kills.
long one_world(std::mt19937_64& random, std::chrono::milliseconds time) {
  const world w;
  std::vector<forked> all;
  const auto start = [&](std::size_t r) {
    return forked([&w, r] {
      ::setpriority(PRIO_PROCESS, 0, 10);  // or so many keep the one who kills from its processor
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
  std::array<long, 32> before{};
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
  const long lost = kills + static_cast<long>(roles.size());
  long files = 0;
  for (; const auto f = w.files.try_get(); ++files) EXPECT_TRUE(is_whole(*f)) << f->number;
  expect_all_but(lost, w.a->files, files, "descriptors");
  expect_all_but(lost, w.a->messages, messages_in(w.messages.first), "messages");
  expect_all_but(lost, w.a->polled, messages_in(w.polled.first), "messages to one who polls");
  EXPECT_LE(w.dict.size(), 20u);
  for (const auto& [key, value] : w.dict.items()) EXPECT_TRUE(kin_test::is_whole(value)) << key;
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
