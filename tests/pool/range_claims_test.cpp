// SPDX-License-Identifier: BSL-1.0
// range_claims: between threads, where TSan sees it.
#include <kin/pool/range_claims.hpp>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "support/leaves_nothing_behind.hpp"

namespace {

using kin::detail::claimant;
using kin::detail::range_claims;

// The claims of a process that hands them on live as long as its family, which the first of them starts.
const bool warm = kin_test::warm_up([] { range_claims::take(1).give_back(); });

TEST(range_claims, give_each_range_to_one) {
  for (const std::size_t ranges : {std::size_t{1}, std::size_t{7}, std::size_t{500}, range_claims::most_ranges}) {
    const auto claims = range_claims::take(ranges);
    std::vector<std::atomic<int>> times(ranges);
    std::vector<std::thread> threads;
    for (std::uint32_t who = 1; who <= 4; ++who)
      threads.emplace_back([&, who] {
        claimant mine(claims, who, ranges, 4);
        while (const auto range = mine.next()) ++times[*range];
      });
    for (auto& t : threads) t.join();
    for (const auto& n : times) EXPECT_EQ(n, 1);
    EXPECT_EQ(claims.done(), ranges);
    EXPECT_EQ(claims.unclaimed(ranges), 0u);
    claims.give_back();
  }
}

TEST(range_claims, find_what_somebody_reserved_and_never_began) {
  constexpr std::size_t ranges = 1000;
  const auto claims = range_claims::take(ranges);
  std::vector<int> times(ranges, 0);
  const auto take_all = [&](std::uint32_t who) {
    claimant mine(claims, who, ranges, 1);
    while (const auto range = mine.next()) ++times[*range];
  };
  std::size_t left = ranges;
  {
    // It dies: with one range in hand, and perhaps more of them reserved.
    claimant dies(claims, 1, ranges, 1);
    for (int i = 0; i < 20; ++i) {
      ++times[*dies.next()];
    }
    dies.fail();
    left = claims.left_by(1, ranges).value();
  }
  EXPECT_EQ(claims.unclaimed(ranges), ranges - 20);
  take_all(2);
  EXPECT_EQ(claims.unclaimed(ranges), 0u);
  EXPECT_EQ(times, std::vector<int>(ranges, 1));
  EXPECT_EQ(claims.done(), ranges - 1);
  EXPECT_EQ(claims.left_by(1, ranges), left);
  EXPECT_FALSE(claims.left_by(2, ranges));
  // The same one again: it goes on where it was.
  take_all(1);
  EXPECT_EQ(times[left], 2);
  EXPECT_EQ(claims.done(), ranges);
  claims.give_back();
}

TEST(range_claims, begin_where_the_same_thread_began_the_last_time) {
  std::vector<std::size_t> first;
  const auto claims = range_claims::take(100);
  for (int round = 0; round < 3; ++round) {
    // As many sections as take part: here both are one thread's, and the second one finds the first one's taken.
    claimant a(claims, static_cast<std::uint32_t>(2 * round + 1), 100, 2);
    claimant b(claims, static_cast<std::uint32_t>(2 * round + 2), 100, 2);
    first.push_back(*a.next());
    EXPECT_NE(*b.next() / 50, first.back() / 50);
    EXPECT_EQ(*a.next() / 50, first.back() / 50);
  }
  claims.give_back();
  const auto anew = range_claims::take(100);
  std::size_t place = 0;
  for (int map = 0; map < 3; ++map) {
    std::thread([&] {
      for (std::uint32_t who = 10; who < 13; ++who) {
        claimant mine(anew, who, 100, 2);
        const auto range = *mine.next();
        if (who > 10) {
          EXPECT_EQ(range / 50, place / 50);
        }
        place = range;
      }
    }).join();
  }
  anew.give_back();
}

TEST(range_claims, are_taken_from_the_ends_of_others_sections) {
  const auto claims = range_claims::take(100);
  claimant slow(claims, 1, 100, 2);
  const std::size_t its_first = *slow.next();
  claimant quick(claims, 2, 100, 2);
  for (int i = 0; i < 50; ++i) EXPECT_NE(*quick.next() / 50, its_first / 50);
  EXPECT_EQ(*quick.next(), its_first + 49);
  EXPECT_EQ(*slow.next(), its_first + 1);
  EXPECT_EQ(*quick.next(), its_first + 48);
  claims.give_back();
}

TEST(range_claims, leave_the_rest_to_others_when_one_has_enough) {
  const auto claims = range_claims::take(100);
  {
    claimant mine(claims, 1, 100, 2);
    ASSERT_TRUE(mine.next());
    mine.finish();
  }
  EXPECT_EQ(claims.done(), 1u);
  EXPECT_EQ(claims.unclaimed(100), 99u);
  EXPECT_FALSE(claims.left_by(1, 100));
  claims.give_back();
}

TEST(range_claims, are_not_for_a_forked_copy) {
  const auto claims = range_claims::take(100);
  std::optional<claimant> mine(std::in_place, claims, 1u, 100u, 1u);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(mine->next());
  const pid_t copy = ::fork();
  if (copy == 0) {
    const bool any = mine->next().has_value();
    mine->finish();
    mine.reset();
    ::_exit(any ? 1 : 0);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(copy, &status, 0), copy);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(claims.left_by(1, 100), 4u);
  EXPECT_EQ(claims.unclaimed(100), 95u);
  mine.reset();
  EXPECT_EQ(claims.done(), 4u);
  claims.give_back();
}

TEST(range_claims, refuse_parts_that_cannot_be) {
  const auto claims = range_claims::take(4);
  EXPECT_THROW(claimant(claims, 0, 4, 1), kin::decode_error);
  EXPECT_THROW(claimant(claims, 1, range_claims::most_ranges + 1, 1), kin::decode_error);
  EXPECT_THROW(claimant(claims, std::uint32_t{1} << 31, 4, 1), kin::decode_error);
  claims.give_back();
}

}  // namespace
