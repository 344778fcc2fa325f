// SPDX-License-Identifier: BSL-1.0
// imap and imap_unordered, from whatever workers (promise 9).
#include <fstream>
#include <ranges>
#include <set>

#include "contracts/any_pool_contract.hpp"

namespace kin_test {
namespace {
class pool_imap : public any_pool_contract {};
KIN_ANY_POOL_CONTRACT(pool_imap);

std::uint64_t resident_kilobytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmRSS:")) return std::stoull(line.substr(6));
  return 0;
}

KIN_ANY_POOL_TEST(pool_imap, comes_lazily_and_in_order) {
  Pool workers(options(2));
  int consumed = 0, taken = 0;
  auto endless = std::views::iota(0) | std::views::transform([&](int n) {
                   ++consumed;
                   return n;
                 });
  for (const std::size_t chunk : {1u, 3u})
    for (const std::size_t window : {1u, 7u, 64u}) {
      consumed = taken = 0;
      for (const int v : workers.imap(square, endless, {.chunk = chunk, .window = window})) {
        ++taken;
        ASSERT_LE(consumed, taken + static_cast<int>(window));
        ASSERT_EQ(v, (taken - 1) * (taken - 1));
        if (taken == 50) break;
      }
      EXPECT_EQ(workers.apply(square, 5), 25);
    }
  std::vector<std::string> words;
  for (auto& s : workers.imap([](const std::string& w) { return w + w; }, {"a", "b"})) words.push_back(std::move(s));
  EXPECT_EQ(words, (std::vector<std::string>{"aa", "bb"}));
  for (const int v : workers.imap(square, std::vector<int>{})) ADD_FAILURE() << v;
  for ([[maybe_unused]] auto v : workers.imap([](int) {}, {1, 2, 3})) ++taken;
  EXPECT_EQ(taken, 53);
}

KIN_ANY_POOL_TEST(pool_imap, comes_as_tasks_end_when_it_is_unordered) {
  Pool workers(options(2));
  workers.map(nap, {20, 20}, {.chunk = 1});
  const kin::event others_taken;
  const auto first_is_last = kin::bind(
      [](const kin::event& e, int n) {
        if (n == 0) e.wait();
        return n;
      },
      others_taken);
  std::vector<int> order;
  for (const int v : workers.imap_unordered(first_is_last, {0, 1, 2, 3})) {
    order.push_back(v);
    if (order.size() == 3) others_taken.set();
  }
  EXPECT_THAT(order, testing::UnorderedElementsAre(0, 1, 2, 3));
  EXPECT_EQ(order.back(), 0);
  std::multiset<int> all;
  for (const int v : workers.imap_unordered(square, std::views::iota(0, 200), {.chunk = 3, .window = 10}))
    all.insert(v);
  EXPECT_EQ(all.size(), 200u);
  EXPECT_EQ(*all.rbegin(), 199 * 199);
}

KIN_ANY_POOL_TEST(pool_imap, tells_the_failures_of_tasks_and_of_the_input) {
  Pool workers(options(2));
  auto odd = workers.imap([](int n) { return n % 2 ? n : throw std::out_of_range("even"); }, std::views::iota(1, 7));
  std::vector<int> got;
  int failures = 0;
  for (auto it = odd.begin(); it != odd.end(); ++it) {
    try {
      got.push_back(*it);
    } catch (const std::out_of_range&) {
      ++failures;
    }
  }
  EXPECT_EQ(got, (std::vector<int>{1, 3, 5}));
  EXPECT_EQ(failures, 3);

  got.clear();
  auto throwing =
      std::views::iota(0) | std::views::transform([](int n) { return n < 5 ? n : throw std::runtime_error("input"); });
  EXPECT_THROW(for (const int v : workers.imap(square, throwing)) got.push_back(v), std::runtime_error);
  EXPECT_EQ(got, (std::vector<int>{0, 1, 4, 9, 16}));
  EXPECT_EQ(workers.apply(square, 5), 25);
}

KIN_ANY_POOL_TEST(pool_imap, takes_a_chunk_of_any_size) {
  Pool workers(options(2));
  for (const std::uint64_t chunk : {std::uint64_t{1} << 61, std::uint64_t{1} << 62, ~std::uint64_t{0}}) {
    std::vector<int> got;
    for (const int n : workers.imap(square, std::vector{1, 2, 3}, {.chunk = chunk})) got.push_back(n);
    EXPECT_EQ(got, (std::vector{1, 4, 9}));
    EXPECT_EQ(workers.map(square, std::vector{1, 2, 3}, {.chunk = chunk}), (std::vector{1, 4, 9}));
  }
}

KIN_ANY_POOL_TEST(pool_imap, needs_memory_for_the_window_alone) {
  Pool workers(options(2));
  const auto bulky = [](int n) { return std::string(10000, static_cast<char>('a' + n % 26)); };
  std::uint64_t before = 0, n = 0;
  const int items = sanitized ? 500 : 10000;
  for (const auto& s : workers.imap(bulky, std::views::iota(0, items), {.chunk = 10, .window = 100})) {
    if (++n == 400) before = resident_kilobytes();
    if (s.size() != 10000) ADD_FAILURE();
  }
  if (!sanitized) {
    EXPECT_LT(resident_kilobytes(), before + 8000);
  }
}

}  // namespace
}  // namespace kin_test
