// SPDX-License-Identifier: BSL-1.0
// Promise 8: imap and imap_unordered take items, and memory, for their window alone, however many items there are.
#include <malloc.h>

#include <algorithm>
#include <fstream>
#include <ranges>

#include "contracts/pool_contract.hpp"

namespace kin_test {
namespace {
class pool_imap_window : public pool_contract {};
KIN_POOL_CONTRACT(pool_imap_window);
class long_pool_imap_window : public pool_contract {};
KIN_POOL_CONTRACT(long_pool_imap_window);

std::uint64_t resident_kilobytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmRSS:")) return std::stoull(line.substr(6));
  return 0;
}
std::uint64_t largest_worker(kin::pool& workers) {
  const auto measure = [](int) {
    std::this_thread::sleep_for(20ms);  // for the other ones to come, too
    return resident_kilobytes();
  };
  return std::ranges::max(workers.map(measure, std::vector<int>(8), {.chunk = 1}));
}

enum class order { as_given, as_ended };

// An input that knows how far ahead of the consumer it was ever taken. `each` says whether to go on.
struct watched_loop {
  int consumed = 0, taken = 0, most_ahead = 0;

  template <class F, class Each>
  void run(kin::pool& workers, order how, F f, int items, const kin::map_options& options, Each each) {
    auto input = std::views::iota(0, items) | std::views::transform([this](int n) {
                   most_ahead = std::max(most_ahead, ++consumed - taken);
                   return n;
                 });
    const auto loop = [&](auto results) {
      for (const auto& v : results) {
        ++taken;
        if (!each(v)) break;
      }
    };
    if (how == order::as_given)
      loop(workers.imap(f, input, options));
    else
      loop(workers.imap_unordered(f, input, options));
  }
};

TEST_P(pool_imap_window, takes_items_for_its_window_and_no_more) {
  kin::pool workers(options(2));
  for (const order how : {order::as_given, order::as_ended})
    for (const int chunk : {1, 3})
      for (const int window : {1, 7, 64}) {
        SCOPED_TRACE(std::to_string(chunk) + " of " + std::to_string(window));
        watched_loop loop;
        loop.run(workers, how, square, 1'000'000'000, {.chunk = chunk, .window = window}, [&](int v) {
          EXPECT_TRUE(how == order::as_ended || v == (loop.taken - 1) * (loop.taken - 1)) << v;
          return loop.taken < 200;
        });
        EXPECT_EQ(loop.taken, 200);
        EXPECT_LE(loop.most_ahead, window);
        EXPECT_GT(loop.most_ahead, window - chunk) << "what it may, it takes";
        EXPECT_EQ(workers.apply(square, 5), 25);
      }
}

// Text whose bytes would be seen if all of it were kept, in the caller or in the workers.
std::string text_of(std::size_t bytes, int n) { return std::to_string(n) + ' ' + std::string(bytes, 'x'); }

void expect_flat_memory(kin::pool& workers, order how, int items, std::size_t bytes, const kin::map_options& options) {
  SCOPED_TRACE(how == order::as_given ? "in order" : "as they end");
  std::uint64_t early = 0, most = 0, workers_early = largest_worker(workers);
  long long sum = 0;
  watched_loop loop;
  loop.run(workers, how, kin::bind(text_of, bytes), items, options, [&](const std::string& text) {
    const int n = std::stoi(text);
    EXPECT_TRUE(how == order::as_ended || n == loop.taken - 1) << n;
    EXPECT_GE(text.size(), bytes);
    sum += n;
    if (loop.taken == items / 20) early = resident_kilobytes();
    if (loop.taken > items / 20 && loop.taken % (items / 100) == 0) most = std::max(most, resident_kilobytes());
    return !testing::Test::HasFailure();
  });
  EXPECT_EQ(loop.taken, items);
  EXPECT_EQ(sum, static_cast<long long>(items) * (items - 1) / 2);
  EXPECT_LE(loop.most_ahead, static_cast<int>(std::size_t{options.window}));
  if (sanitized) return;
  EXPECT_LT(most, early + 8000);
  EXPECT_LT(largest_worker(workers), workers_early + 8000);
}

TEST_P(pool_imap_window, needs_memory_for_its_window_alone) {
  kin::pool workers(options(2));
  for (const order how : {order::as_given, order::as_ended})
    expect_flat_memory(workers, how, sanitized ? 500 : 10'000, 10'000, {.chunk = 10, .window = 100});
}

TEST_P(long_pool_imap_window, needs_memory_for_its_window_alone_over_a_million_items) {
  kin::pool workers(options(2));
  for (const order how : {order::as_given, order::as_ended}) {
    expect_flat_memory(workers, how, 1'000'000, 300, {.chunk = 1, .window = 1000});
    expect_flat_memory(workers, how, 1'000'000, 300, {.chunk = 16, .window = 64});
  }
}

// One early task that lasts: nothing is remembered of those that were given meanwhile.
void expect_no_trace_behind_a_long_task(kin::pool& workers, int items) {
  const kin::event all_given;
  const auto first_lasts = kin::bind(
      [](const kin::event& end, int n) {
        if (n == 0) end.wait();
        return n;
      },
      all_given);
  std::size_t early = 0, late = 0;
  watched_loop loop;
  loop.run(workers, order::as_ended, first_lasts, items, {.window = 64}, [&](int n) {
    if (loop.taken == items / 20) early = ::mallinfo2().uordblks;
    if (loop.taken == items - 64) late = ::mallinfo2().uordblks;  // the others are under way
    if (loop.taken == items - 1) all_given.set();
    EXPECT_EQ(n == 0, loop.taken == items) << n;
    return !testing::Test::HasFailure();
  });
  EXPECT_EQ(loop.taken, items);
  EXPECT_LE(loop.most_ahead, 64);
  if (sanitized) return;
  EXPECT_LT(late, early + 8 * static_cast<std::size_t>(items)) << "less than a word each";
}

TEST_P(pool_imap_window, without_order_keeps_no_trace_of_what_was_given_while_an_early_task_lasts) {
  kin::pool workers(options(2));
  expect_no_trace_behind_a_long_task(workers, sanitized ? 2'000 : 50'000);
}
TEST_P(long_pool_imap_window, without_order_keeps_no_trace_of_a_million_items_while_an_early_task_lasts) {
  kin::pool workers(options(2));
  expect_no_trace_behind_a_long_task(workers, 1'000'000);
}

}  // namespace
}  // namespace kin_test
