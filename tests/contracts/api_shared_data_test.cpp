// SPDX-License-Identifier: BSL-1.0
// api: shared data as the documents write it. What users have been promised compiles here, and runs.
#include <kin/kin.hpp>

#include <gtest/gtest.h>

#include <mutex>
#include <ranges>
#include <sstream>
#include <string>
#include <vector>

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

TEST(api, a_barrier_serves_one_group_of_forked_processes_after_another) {
  const kin::barrier meeting(3);
  for (int round = 0; round < 2; ++round) {
    kin::process one(kin::start::fork, [&] { meeting.arrive_and_wait(); });
    kin::process two(kin::start::fork, [&] { meeting.arrive_and_wait(); });
    meeting.arrive_and_wait();
    one.join();
    two.join();
    EXPECT_EQ(one.exitcode(), 0);
    EXPECT_EQ(two.exitcode(), 0);
  }
}

TEST(api, shared_containers_are_used_as_written) {
  kin::shared_dict<std::string, double> prices;
  kin::shared_list<int> log;
  kin::process(
      [](const kin::shared_dict<std::string, double>& p, kin::shared_list<int>& l) {
        p.set("tea", 2.5);
        p.update("tea", [](double& price) { ++price; });
        l.push_back(7);
      },
      prices, log)
      .join();
  EXPECT_EQ(prices["tea"], 3.5);
  EXPECT_EQ(log[0], 7);
  EXPECT_EQ(log.snapshot(), std::vector{7});
  std::ostringstream text;
  text << log << prices;
  EXPECT_EQ(text.str(), "[7]{'tea': 3.5}");
  int sum = 0;
  for (auto&& x : log) sum += x;
  EXPECT_EQ(sum, 7);
}

}  // namespace
