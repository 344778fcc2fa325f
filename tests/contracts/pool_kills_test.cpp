// SPDX-License-Identifier: BSL-1.0
// Promise 1 in bulk: whenever workers are killed, each task is done once or lost once. What ran is counted where it
// ran.
#include <algorithm>
#include <map>
#include <random>

#include <kin/array.hpp>
#include <kin/process.hpp>

#include "contracts/pool_contract.hpp"
#include "support/leaves_nothing_behind.hpp"

namespace kin_test {
namespace {
[[maybe_unused]] const bool warm = warm_up([] { const kin::array<int> large(100'000); });

class pool_kills : public pool_contract {};
KIN_POOL_CONTRACT(pool_kills);
class long_pool_kills : public pool_contract {};
KIN_POOL_CONTRACT(long_pool_kills);

// Runs of each task that were begun and that came to their end.
struct tallies {
  explicit tallies(int tasks) : begun(static_cast<std::size_t>(tasks)), ended(static_cast<std::size_t>(tasks)) {}
  kin::array<int> begun, ended;
};
void count(const kin::array<int>& in, int n) { std::atomic_ref(in[static_cast<std::size_t>(n)]).fetch_add(1); }

using outcome = std::pair<int, std::vector<char>>;

// Short, waiting, computing, or with large values: what a kill may meet.
outcome work(const kin::array<int>& begun, const kin::array<int>& ended, int n, std::vector<char> bulk) {
  count(begun, n);
  if (n % 4 == 1) std::this_thread::sleep_for(std::chrono::milliseconds(n % 9));
  if (n % 4 == 2)
    for (const auto until = clock::now() + std::chrono::milliseconds(n % 7); clock::now() < until;) {
    }
  count(ended, n);
  return {n, std::move(bulk)};
}
// The same, waiting for another task of its pool.
outcome work_in_two(const kin::array<int>& begun, const kin::array<int>& ended, int n, std::vector<char> bulk) {
  count(begun, n);
  if (kin::current_pool().apply({.retries = 100}, square, n) != n * n) std::abort();
  count(ended, n);
  return {n, std::move(bulk)};
}

// Kills a worker every 10 ms, or as much more as a start takes here and now, sooner or later than that, whichever it is
// and whatever it does. But no more than six until one is ready again: twelve the pool rightly takes for such as never
// start.
class killer {
 public:
  explicit killer(unsigned seed) : random_(seed) {}
  void watch(kin::pool_options& its) {
    its.on_worker_event = [this](const kin::worker_event& e) {
      if (e.what == kin::worker_event::kind::started) started_[e.pid] = clock::now();
      if (e.what != kin::worker_event::kind::ready) return;
      since_ready_ = 0;
      if (const auto start = started_.extract(e.pid)) note_start(clock::now() - start.mapped());
    };
  }
  void measure_start(kin::pool& workers) {
    const auto begin = clock::now();
    EXPECT_EQ(workers.apply(square, 2), 4);
    note_start(clock::now() - begin);
    next_ = clock::now() + pause_.load();
  }
  void strike_until(const kin::future<outcome>& f) {
    do {
      if (clock::now() < next_) continue;
      next_ = clock::now() + random_() % 200 * pause_.load() / 100;
      const auto children = kin::active_children();
      if (children.empty() || ++since_ready_ > 6) continue;
      kills += ::kill(children[random_() % children.size()].pid(), SIGKILL) == 0;
    } while (!f.wait_for(next_ - clock::now()));
  }
  int kills = 0;

 private:
  std::mt19937 random_;
  void note_start(clock::duration took) {
    pause_ =
        std::max(std::chrono::microseconds(10'000), std::chrono::duration_cast<std::chrono::microseconds>(1.5 * took));
  }

  std::atomic<int> since_ready_{0};
  std::atomic<std::chrono::microseconds> pause_{};
  std::map<int, clock::time_point> started_;  // by pid; on the callback thread
  clock::time_point next_;
};

struct sums {
  int kills = 0, lost = 0;
};

void account_for_each(kin::pool_options o, int tasks, decltype(&work) job, unsigned seed, sums& all_rounds) {
  killer blows(seed);
  blows.watch(o);
  kin::pool workers(std::move(o));
  blows.measure_start(workers);
  const tallies runs(tasks);
  const auto bulk_of = [](int n) {
    return std::vector<char>(n % 4 == 3 ? 300'000u : 10u, static_cast<char>('a' + n % 26));
  };
  std::vector<kin::future<outcome>> all;
  for (int n = 0; n < tasks; ++n) all.push_back(workers.apply_async(job, runs.begun, runs.ended, n, bulk_of(n)));
  int done = 0, lost = 0;
  for (int n = 0; n < tasks; ++n) {
    const auto& f = all[static_cast<std::size_t>(n)];
    blows.strike_until(f);
    try {
      const auto [value, bulk] = f.get();
      ASSERT_EQ(value, n);
      ASSERT_TRUE(bulk == bulk_of(n)) << n;
      EXPECT_EQ(runs.ended[static_cast<std::size_t>(n)], 1) << n;
      ++done;
    } catch (const kin::worker_lost&) {
      ++lost;
    }
  }
  EXPECT_LE(lost, blows.kills);
  if (job == work) {  // which has no tasks of its own
    EXPECT_EQ(workers.stats().completed, static_cast<std::size_t>(done + 1));
    EXPECT_EQ(workers.stats().failed, static_cast<std::size_t>(lost));
  }
  // Nothing is begun again, nor later on.
  workers.map(nap, std::vector<int>(8, 1), {.chunk = 1, .task = {.retries = 100}});
  for (int n = 0; n < tasks; ++n) EXPECT_LE(runs.begun[static_cast<std::size_t>(n)], 1) << n;
  EXPECT_EQ(workers.apply({.retries = 100}, square, 4), 16);
  all_rounds.kills += blows.kills;
  all_rounds.lost += lost;
}

TEST_P(pool_kills, cost_at_most_one_of_300_tasks_each) {
  sums sum;
  account_for_each(options(2), 300, work, 7, sum);
  EXPECT_GT(sum.kills, 0);
}

TEST_P(long_pool_kills, every_10_milliseconds_cost_at_most_one_of_1000_tasks_each) {
  sums sum;
  for (unsigned round = 0; round < 4 && !HasFailure(); ++round)
    for (const int size : {2, 4})
      for (const auto job : {work, work_in_two}) {
        SCOPED_TRACE("round " + std::to_string(round) + " with " + std::to_string(size));
        account_for_each(options(size), 1000, job, round, sum);
      }
  std::printf("%d kills, %d of 16000 tasks lost\n", sum.kills, sum.lost);
  EXPECT_GT(sum.kills, 4 * 4);
  EXPECT_GT(sum.lost, 4);
}

}  // namespace
}  // namespace kin_test
