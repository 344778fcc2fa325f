// SPDX-License-Identifier: BSL-1.0
// api: shared data as the documents write it. What users have been promised compiles here, and runs.
#include <kin/kin.hpp>

#include <gtest/gtest.h>

#include <mutex>
#include <ranges>
#include <string>

#include "support/leaves_nothing_behind.hpp"

namespace {

[[maybe_unused]] const bool warm = kin_test::warm_up([] {
  const kin::shared_memory large(1);
  kin::process([] {}).join();
});

struct account {
  double total = 0;
};

TEST(api, shared_data_is_used_as_written) {
  kin::value<int> hits{0};
  hits.fetch_add(1);
  int n = hits;
  EXPECT_EQ(n, 1);
  hits = 5;
  EXPECT_EQ((*hits).load(), 5);

  kin::value<account> acc;
  {
    std::scoped_lock hold(acc);
    acc->total += 5;
  }
  EXPECT_EQ(acc->total, 5);

  kin::array<double> grid(1'000'000);
  static_assert(std::ranges::contiguous_range<decltype(grid)>);
  {
    std::scoped_lock hold(grid.get_lock());
    grid[999'999] = 1;
  }
  kin::shared_memory block(64 << 20);
  EXPECT_EQ(block.size(), std::size_t{64} << 20);

  kin::process(
      [](kin::value<int> number, kin::value<account>& a, const kin::array<double>& all, kin::shared_memory bytes) {
        ++number;
        std::scoped_lock hold(a, all.get_lock());
        a->total += all[999'999];
        bytes.bytes().back() = std::byte{1};
      },
      hits, acc, grid, block)
      .join();
  EXPECT_EQ(hits, 6);
  EXPECT_EQ(acc->total, 6);
  EXPECT_EQ(block.bytes().back(), std::byte{1});
}

}  // namespace
