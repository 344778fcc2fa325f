// SPDX-License-Identifier: BSL-1.0
// Maps of many plain values, which go through shared memory: the same results and the same failures.
#include <sys/resource.h>

#include <array>
#include <fstream>
#include <numeric>
#include <ranges>

#include "contracts/pool_contract.hpp"

namespace kin_test {
namespace {
class placed_map : public pool_contract {};
KIN_POOL_CONTRACT(placed_map);

TEST_P(placed_map, needs_no_descriptors_for_each_of_many_pieces) {
  kin::pool workers(options(2));
  workers.apply(square, 1);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit lower = before;
  lower.rlim_cur = 1024;  // what most systems give
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &lower), 0);
  std::vector<int> numbers(10'000), expected(10'000);
  for (int i = 0; i < 10'000; ++i)
    expected[static_cast<std::size_t>(i)] = i * i, numbers[static_cast<std::size_t>(i)] = i;
  for (const std::size_t chunk : {1u, 7u, 39u, 40u, 5000u})  // 39: 257 pieces, 40: 250
    EXPECT_EQ(workers.map(square, numbers, {.chunk = chunk}), expected) << chunk;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

std::vector<int> count_to(int n) {
  std::vector<int> numbers(static_cast<std::size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}
long triple(int n) { return 3L * n; }
bool are_triples(const std::vector<long>& out) {
  for (std::size_t i = 0; i < out.size(); ++i)
    if (out[i] != 3L * static_cast<long>(i)) return false;
  return true;
}

TEST_P(placed_map, gives_all_results_in_order_again_and_again) {
  kin::pool workers(options(2));
  for (const int n : {4095, 4096, 100'001, 20'000, 300'000, 100'001}) {
    const auto out = workers.map(triple, count_to(n));
    EXPECT_EQ(out.size(), static_cast<std::size_t>(n));
    EXPECT_TRUE(are_triples(out)) << n;
  }
  EXPECT_TRUE(are_triples(workers.map(triple, count_to(50'000), {.chunk = 777})));
  EXPECT_TRUE(are_triples(workers.map(triple, count_to(50'000), {.chunk = 777, .caller_takes_part = true})));
  EXPECT_TRUE(are_triples(workers.map(triple, count_to(50'000), {.chunk = 1'000'000})));
  std::size_t told = 0;
  EXPECT_TRUE(are_triples(
      workers.map(triple, count_to(50'000), {.progress = [&](std::size_t done, std::size_t) { told = done; }})));
  EXPECT_EQ(told, 50'000u);
}

TEST_P(placed_map, may_be_under_way_more_than_once) {
  kin::pool workers(options(2));
  std::vector<kin::future<std::vector<long>>> all;
  for (int i = 0; i < 5; ++i) all.push_back(workers.map_async(triple, count_to(20'000 + i)));
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].get().size(), 20'000 + i);
    EXPECT_TRUE(are_triples(all[i].get()));
  }
}

TEST_P(placed_map, takes_small_items_to_larger_results_and_back) {
  kin::pool workers(options(2));
  struct wide {
    double a = 0;
    int b = 0;
    char c = 0;
  };
  const std::vector<unsigned char> bytes(40'000, 7);
  const auto out = workers.map([](unsigned char c) { return std::array<double, 3>{1.0 * c, 2, 3}; }, bytes);
  ASSERT_EQ(out.size(), bytes.size());
  EXPECT_EQ(out.back()[0], 7.0);
  const auto back = workers.map([](std::array<double, 3> a) { return static_cast<char>(a[0]); }, out);
  EXPECT_EQ(back, std::vector<char>(bytes.size(), 7));
  const auto structs = workers.map([](int n) { return wide{1.5 * n, n, 'x'}; }, count_to(10'000));
  EXPECT_EQ(structs.back().b, 9'999);
}

TEST_P(placed_map, fails_for_what_its_tasks_throw_and_is_good_after_that) {
  kin::pool workers(options(2));
  EXPECT_THROW(workers.map(
                   [](int n) {
                     if (n == 30'000) throw std::out_of_range("n");
                     return n;
                   },
                   count_to(50'000)),
               std::out_of_range);
  EXPECT_TRUE(are_triples(workers.map(triple, count_to(50'000))));
  EXPECT_THROW(workers.map(
                   [](int n) {
                     if (n == 30'000) ::raise(SIGKILL);
                     return n;
                   },
                   count_to(50'000)),
               kin::worker_lost);
  EXPECT_TRUE(are_triples(workers.map(triple, count_to(50'000))));
}

TEST_P(placed_map, is_right_when_pieces_are_tried_again) {
  kin::pool workers(options(2));
  const std::string mark = "/tmp/kin-placed-map-" + std::to_string(::getpid());
  std::ofstream(mark) << "once";
  const auto out = workers.map(
      [](int n) {
        // The first worker to come here dies; whoever tries again does not.
        if (n == 100 && ::unlink(("/tmp/kin-placed-map-" + std::to_string(::getppid())).c_str()) == 0) ::raise(SIGKILL);
        return 3L * n;
      },
      count_to(50'000), {.task = {.retries = 3}});
  EXPECT_TRUE(are_triples(out));
  ::unlink(mark.c_str());
}

TEST_P(placed_map, ends_with_its_pool) {
  kin::future<std::vector<long>> f;
  {
    kin::pool workers(options(1));
    f = workers.map_async(triple, count_to(50'000));
  }
  EXPECT_TRUE(are_triples(f.get()));
}

}  // namespace
}  // namespace kin_test
