// SPDX-License-Identifier: BSL-1.0
// contest: the faster of two ways is found, and found again; and both ways of copying copy.
#include "memory/contest.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "memory/bulk_copy.hpp"

namespace {

using kin::detail::contest;
using kin::detail::trial;

constexpr std::uint64_t piece = 64 << 10;
// What it takes for a decision, and more.
constexpr std::uint64_t enough = (std::uint64_t{8} << 20) / piece;

// By way of a contest in which the first or the second way takes so long.
void go(contest& about, trial& mine, std::uint64_t first, std::uint64_t second, std::uint64_t pieces = enough) {
  for (; pieces > 0; --pieces) mine.note(piece, about.second_way() ? second : first);
}

TEST(contest, is_won_by_the_way_that_took_less_time) {
  contest one, other;
  trial of_one(one), of_other(other);
  go(one, of_one, 200, 100);
  go(other, of_other, 100, 200);
  EXPECT_TRUE(one.second_way());
  EXPECT_FALSE(other.second_way());
}

TEST(contest, goes_both_ways_before_it_is_decided) {
  contest about;
  trial mine(about);
  bool went[2] = {};
  for (std::uint64_t i = 0; i < enough; ++i) {
    went[about.second_way() ? 1 : 0] = true;
    mine.note(piece, 100);
  }
  EXPECT_TRUE(went[0]);
  EXPECT_TRUE(went[1]);
}

TEST(contest, is_not_lost_by_a_trial_that_was_disturbed) {
  contest about;
  trial mine(about);
  for (std::uint64_t i = 0; i < enough; ++i) mine.note(piece, about.second_way() ? (i < enough / 2 ? 9000 : 100) : 200);
  EXPECT_TRUE(about.second_way());
}

TEST(contest, is_not_won_by_a_way_whose_bytes_came_in_one_note) {
  contest about;
  trial mine(about);
  for (int i = 0; i < 100; ++i)
    about.second_way() ? mine.note(piece, 100) : mine.note(40 * piece, std::uint64_t{40} * 200);
  for (std::uint64_t i = 0; i < enough; ++i) mine.note(piece, about.second_way() ? 100 : 200);
  EXPECT_TRUE(about.second_way());
}

TEST(contest, is_held_again_after_a_good_deal) {
  contest about;
  trial mine(about);
  go(about, mine, 200, 100);
  go(about, mine, 100, 200, (std::uint64_t{300} << 20) / piece);
  EXPECT_FALSE(about.second_way());
}

TEST(contest, may_be_held_again_by_two_threads_at_once) {
  contest about;
  std::atomic<int> here{0};
  const auto go_often = [&] {
    trial mine(about);
    for (++here; here < 2;) std::this_thread::yield();
    for (int i = 0; i < 10000000; ++i) mine.note(std::uint64_t{256} << 20, 100);
  };
  std::thread other(go_often);
  go_often();
  other.join();
}

TEST(bulk_copy, copies_all_bytes_and_no_others_wherever_they_lie) {
  constexpr std::byte untouched{0xee};
  std::vector<std::byte> from(6000), to(6200);
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<std::byte>(i * 7 + i / 251);
  for (int way = 0; way < 2; ++way) {
    // Decides for this process, as large messages would.
    trial mine(kin::detail::past_the_caches);
    go(kin::detail::past_the_caches, mine, way == 0 ? 1 : 2, way == 0 ? 2 : 1, (std::uint64_t{300} << 20) / piece);
    ASSERT_EQ(kin::detail::past_the_caches.second_way(), way == 1);
    for (const std::size_t size : {std::size_t{1}, kin::detail::bulk_size, std::size_t{1500}, std::size_t{5000}})
      for (std::size_t at = 0; at < 70; at += 3)
        for (std::size_t off = 0; off < 20; off += 5) {
          std::fill(to.begin(), to.end(), untouched);
          kin::detail::bulk_copy_out(to.data() + at, std::span(from).subspan(off, size));
          ASSERT_TRUE(std::equal(from.begin() + static_cast<std::ptrdiff_t>(off),
                                 from.begin() + static_cast<std::ptrdiff_t>(off + size),
                                 to.begin() + static_cast<std::ptrdiff_t>(at)));
          ASSERT_EQ(std::count(to.begin(), to.begin() + static_cast<std::ptrdiff_t>(at), untouched), at);
          ASSERT_EQ(to[at + size], untouched);
        }
  }
}

}  // namespace
