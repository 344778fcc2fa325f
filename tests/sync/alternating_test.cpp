// SPDX-License-Identifier: BSL-1.0
// mutex: two processes are stepped through it in turn, a few instructions each (ptrace), in an order that a seed says;
// in half of the rounds one dies on the way.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <kin/mutex.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <mutex>
#include <random>

#include "sync/shared_page.hpp"
#include "sync/stepped.hpp"

namespace {

using kin_test::shared_page;
using kin_test::stepped;

struct account {
  std::atomic<int> inside, first, second, wrong;
};
constexpr int turns_of_each = 3;

void spend(const kin::mutex& m, account& a) {
  for (int i = 0; i < turns_of_each; ++i) {
    std::unique_lock<kin::mutex> hold;
    try {
      hold = std::unique_lock(const_cast<kin::mutex&>(m));
    } catch (const kin::owner_died&) {
      hold = m.recover();
      a.inside = 0;
      a.second = a.first.load();
    }
    if (++a.inside != 1 || a.first != a.second) ++a.wrong;
    ++a.first;
    ++a.second;
    --a.inside;
  }
}

void alternate(std::uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const kin::mutex m;
  const shared_page<account> a;
  const auto prepare = [] { (void)kin::mutex(); };
  stepped first(prepare, [&] { spend(m, *a); });
  stepped second(prepare, [&] { spend(m, *a); });
  const bool dies = random() % 2 == 0;
  EXPECT_TRUE(kin_test::alternate(first, second, random, dies ? 1 + static_cast<long>(random() % 900) : 0))
      << "one sleeps for ever";
  EXPECT_EQ(a->wrong, 0) << "two have held it, or a death was not told";
  if (!dies) {
    EXPECT_EQ(a->second, 2 * turns_of_each);
  }
  EXPECT_GE(a->first, turns_of_each);
}

void rounds(std::uint64_t n) {
  for (std::uint64_t seed = 1; seed <= n && !testing::Test::HasFailure(); ++seed) alternate(seed);
}

TEST(mutex, is_right_for_two_who_are_stepped_in_turn) { rounds(20); }
TEST(long_mutex, is_right_for_two_who_are_stepped_in_turn) { rounds(2000); }

}  // namespace

#endif
