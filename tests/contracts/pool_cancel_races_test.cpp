// SPDX-License-Identifier: BSL-1.0
// Promise 4: a cancel that comes as its task ends never hits the next task of the same worker.
#include <algorithm>
#include <random>

#include <kin/array.hpp>

#include "contracts/pool_contract.hpp"
#include "support/leaves_nothing_behind.hpp"

namespace kin_test {
namespace {
[[maybe_unused]] const bool warm = warm_up([] { const kin::array<int> large(100'000); });

class pool_cancel_races : public pool_contract {};
KIN_POOL_CONTRACT(pool_cancel_races);
class long_pool_cancel_races : public pool_contract {};
KIN_POOL_CONTRACT(long_pool_cancel_races);

int count_run(const kin::array<int>& runs, int n, std::chrono::nanoseconds how_long) {
  std::atomic_ref(runs[static_cast<std::size_t>(n)]).fetch_add(1);
  for (const auto until = clock::now() + how_long; clock::now() < until;) {
  }
  return n;
}

// A time that follows the machine until about half of the cancels are in time.
class adapted_time {
 public:
  explicit adapted_time(double factor) : if_in_time_(factor) {}
  void was_in_time(bool yes) {
    microseconds_ = std::clamp(yes ? microseconds_ * if_in_time_ : microseconds_ / if_in_time_, 0.1, 5e3);
  }
  /// Anything up to twice the time.
  [[nodiscard]] std::chrono::nanoseconds any(std::mt19937& random) const {
    return std::chrono::nanoseconds(random() % static_cast<unsigned>(2000 * microseconds_));
  }

 private:
  double microseconds_ = 30, if_in_time_;
};

// Two kinds in turn: of a task that does nothing, some time after it was submitted; and of one that lasts some time,
// as soon as it is seen to have begun. A cancel that was late makes the next one earlier, or the next task longer.
void race(kin::pool& workers, int races) {
  const kin::array<int> victims(static_cast<std::size_t>(races)), others(static_cast<std::size_t>(2 * races));
  std::mt19937 random(3);
  adapted_time delay(1.1), length(1 / 1.3);  // a sanitizer's cancel takes much longer than 30 us
  int in_time = 0, running = 0;
  for (int n = 0; n < races; ++n) {
    int& begun = victims[static_cast<std::size_t>(n)];
    const bool lasts = n % 2 == 1;
    auto victim = workers.apply_async(count_run, victims, n, lasts ? length.any(random) : 0ns);
    auto next = workers.apply_async(count_run, others, 2 * n, 0ns);
    auto last = workers.apply_async(count_run, others, 2 * n + 1, std::chrono::nanoseconds(n % 4 * 10'000));
    while (lasts && std::atomic_ref(begun).load() == 0) std::this_thread::yield();
    for (const auto until = clock::now() + (lasts ? 0ns : delay.any(random)); clock::now() < until;) {
    }
    const bool said = victim.cancel();
    (lasts ? length : delay).was_in_time(said);
    in_time += said;
    ASSERT_EQ(next.get(), 2 * n);
    ASSERT_EQ(last.get(), 2 * n + 1);
    ASSERT_EQ(failure_of(victim) == "value", !said);
    ASSERT_TRUE(said ? begun <= 1 : begun == 1) << begun;
    running += said && begun == 1;
    ASSERT_EQ(others[static_cast<std::size_t>(2 * n)], 1);
    ASSERT_EQ(others[static_cast<std::size_t>(2 * n + 1)], 1);
    ASSERT_EQ(workers.stats().completed, static_cast<std::size_t>(3 * (n + 1) - in_time));
  }
  std::printf("%d of %d cancels were in time, %d of these while the task ran\n", in_time, races, running);
  EXPECT_GT(in_time, races / 20);
  EXPECT_LT(in_time, races - races / 20);
  EXPECT_GT(running, races / 20);
}

TEST_P(pool_cancel_races, never_hit_the_next_task_of_the_same_worker) {
  for (const int size : {1, 2}) {
    kin::pool workers(options(size));
    race(workers, sanitized ? 60 : 200);
  }
}

// What its worker gives back for a cancel must not come to it again meanwhile.
TEST_P(pool_cancel_races, never_run_a_task_that_waited_when_it_was_cancelled) {
  constexpr int n = 12;
  kin::pool workers(options(2));
  std::size_t cancelled = 0, had_run = 0;
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    const kin::array<int> runs(n);
    std::vector<kin::future<int>> all;
    all.reserve(n);
    for (int i = 0; i < n; ++i) all.push_back(workers.apply_async(count_run, runs, i, 5us));
    for (const auto until = clock::now() + std::chrono::microseconds(random() % 20); clock::now() < until;) {
    }
    const bool said = all.back().cancel();
    for (int i = 0; i + 1 < n; ++i) ASSERT_EQ(all[static_cast<std::size_t>(i)].get(), i);
    workers.map(square, std::vector<int>(20), {.chunk = 1});  // what was behind them in a lane has run by now
    cancelled += said;
    had_run += said && std::atomic_ref(runs[n - 1]).load() != 0;
  }
  workers.close();
  workers.join();
  EXPECT_GT(cancelled, 10U);
  EXPECT_LE(had_run, workers.stats().workers_lost) << "one that had begun costs its worker";
}

TEST_P(long_pool_cancel_races, of_10000_never_hit_the_next_task_of_the_same_worker) {
  for (const int size : {1, 2}) {
    kin::pool workers(options(size));
    race(workers, 5'000);
  }
}

}  // namespace
}  // namespace kin_test
