// SPDX-License-Identifier: BSL-1.0
// Promise 7: workers are replaced when they have run their number of tasks or taken their share of memory, before they
// run another one, and not before that; nothing is lost by it. What ran is counted where it ran.
#include <algorithm>
#include <fstream>
#include <map>

#include <kin/array.hpp>

#include "contracts/pool_contract.hpp"
#include "support/leaves_nothing_behind.hpp"

namespace kin_test {
namespace {
[[maybe_unused]] const bool warm = warm_up([] { const kin::array<int> large(100'000); });

class pool_wear : public pool_contract {};
KIN_POOL_CONTRACT(pool_wear);
class long_pool_wear : public pool_contract {};
KIN_POOL_CONTRACT(long_pool_wear);

int count_run(const kin::array<int>& runs, int n) {
  static int of_this_worker = 0;
  std::atomic_ref(runs[static_cast<std::size_t>(n)]).fetch_add(1);
  return ++of_this_worker;
}

void run_with_at_most(int most, kin::pool_options o, int tasks) {
  SCOPED_TRACE("at most " + std::to_string(most) + " by " + std::to_string(o.workers) + " workers");
  const kin::array<int> runs(static_cast<std::size_t>(tasks));
  const std::size_t size = o.workers;
  o.max_tasks_per_worker = most;
  kin::pool workers(std::move(o));
  std::vector<kin::future<int>> all;
  for (int n = 0; n < tasks; ++n) all.push_back(workers.apply_async(count_run, runs, n));
  for (const auto& f : all) {
    const int nth = f.get();
    ASSERT_GE(nth, 1);
    ASSERT_LE(nth, most);
  }
  for (int n = 0; n < tasks; ++n) ASSERT_EQ(runs[static_cast<std::size_t>(n)], 1) << n;
  const auto s = workers.stats();
  const auto needed = static_cast<std::size_t>((tasks + most - 1) / most);
  EXPECT_EQ(s.workers_lost, 0u);
  EXPECT_EQ(s.completed, static_cast<std::size_t>(tasks));
  EXPECT_GE(s.workers_started, needed);
  EXPECT_LE(s.workers_started, needed + size) << "replaced before they were worn out";
}

TEST_P(pool_wear, lets_no_worker_run_more_than_its_number_of_tasks) {
  for (const int most : {1, 2, 7})
    for (const int size : {1, 2, 4})
      run_with_at_most(most, options(size), (most == 1 ? 40 : 100) / (sanitized ? 4 : 1));
}
TEST_P(long_pool_wear, lets_no_worker_run_more_than_its_number_of_10000_tasks) {
  for (const int most : {1, 2, 7})
    for (const int size : {1, 2, 8}) run_with_at_most(most, options(size), 10'000);
}

std::size_t resident_bytes() {
  std::size_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}
constexpr std::size_t megabyte = 1 << 20;

struct stay {
  int pid = 0, nth = 0;
  std::size_t before = 0, after = 0;  // resident bytes
};
stay leak(std::size_t bytes) {
  static int of_this_worker = 0;
  static std::vector<volatile char*> kept;
  stay s{::getpid(), ++of_this_worker, resident_bytes(), 0};
  auto* p = static_cast<volatile char*>(std::malloc(bytes));
  for (std::size_t i = 0; i < bytes; i += 4096) p[i] = 1;
  kept.push_back(p);
  s.after = resident_bytes();
  return s;
}

TEST_P(pool_wear, replaces_a_worker_that_has_grown_too_much) {
  if (sanitized) GTEST_SKIP() << "sanitizers have memory of their own";
  auto o = options(1);
  o.max_worker_memory = 200 * megabyte;
  kin::pool workers(std::move(o));
  const int first = workers.apply(leak, megabyte).pid;
  EXPECT_EQ(workers.apply(leak, megabyte).pid, first);
  EXPECT_EQ(workers.apply(leak, 250 * megabyte).pid, first);
  EXPECT_NE(workers.apply(own_pid), first);
  EXPECT_EQ(workers.stats().workers_lost, 0u);
}

// The memory that a large parent had when it started the worker is not the worker's.
TEST_P(pool_wear, does_not_count_the_memory_of_the_parent) {
  if (sanitized || GetParam() == kin::start::fork) GTEST_SKIP() << "a forked worker has its parent's memory";
  const std::vector<char> large(400 * megabyte, 'x');
  auto o = options(1);
  o.max_worker_memory = 200 * megabyte;
  kin::pool workers(std::move(o));
  const int first = workers.apply(own_pid);
  EXPECT_EQ(workers.apply(own_pid), first);
}

// Each task takes up to `most` and keeps it; each worker has `share` for that.
void let_several_grow(kin::pool_options o, int tasks, std::size_t most, std::size_t share) {
  SCOPED_TRACE("tasks of " + std::to_string(most) + " bytes in " + std::to_string(o.workers) + " workers");
  const std::size_t size = o.workers, about = share / 8;  // so inexact is what is known of a fresh worker
  std::size_t fresh = 0;
  {
    kin::pool workers(o);
    fresh = workers.apply(leak, 1).after;
  }
  o.max_worker_memory = fresh + share;
  kin::pool workers(std::move(o));
  std::vector<kin::future<stay>> all;
  std::size_t leaked = 0;
  for (int n = 0; n < tasks; ++n) {
    const std::size_t bytes = 1 + static_cast<std::size_t>(n) * 7919 * 1021 % most;
    leaked += bytes;
    all.push_back(workers.apply_async(leak, bytes));
  }
  std::map<int, std::size_t> highest;
  for (const auto& f : all) {
    const stay s = f.get();
    EXPECT_TRUE(s.nth == 1 || s.before < fresh + share + about) << "in a worker that was to go: " << s.before;
    highest[s.pid] = std::max(highest[s.pid], s.after);
  }
  for (const auto& [pid, bytes] : highest) EXPECT_LT(bytes, fresh + share + most + about);
  const auto s = workers.stats();
  EXPECT_EQ(s.completed, static_cast<std::size_t>(tasks));
  EXPECT_EQ(s.workers_lost, 0u);
  EXPECT_GE(s.workers_started, leaked / (share + most + about));
  EXPECT_LE(s.workers_started, leaked / (share - about) + size) << "replaced before they had grown too much";
}

TEST_P(pool_wear, replaces_several_workers_as_they_grow) {
  if (sanitized) GTEST_SKIP() << "sanitizers have memory of their own";
  let_several_grow(options(2), 40, 12 * megabyte, 64 * megabyte);
}
TEST_P(long_pool_wear, replaces_several_workers_as_they_grow_in_hundreds_of_tasks) {
  if (sanitized) GTEST_SKIP() << "sanitizers have memory of their own";
  for (const int size : {1, 3, 8}) {
    let_several_grow(options(size), 1000, megabyte / 5, 16 * megabyte);  // by short tasks
    let_several_grow(options(size), 300, 12 * megabyte, 64 * megabyte);
    let_several_grow(options(size), 50, 80 * megabyte, 64 * megabyte);
  }
}

}  // namespace
}  // namespace kin_test
