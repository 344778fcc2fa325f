// SPDX-License-Identifier: BSL-1.0
// Workers by start::fork, begun beside the threads that kin has just started itself.
#include <gtest/gtest.h>

#include <link.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <vector>

#include <kin/pool.hpp>
#include <kin/process/worker_lost.hpp>

namespace kin_test {
namespace {

void die() { ::raise(SIGKILL); }
int twice(int n) { return 2 * n; }

// A worker that replaces another is forked by a thread of kin's, while the program's own holds whatever it holds: here
// the loader's lock, which nobody makes free in the copy. It may be missing to the user's code, not to kin's.
TEST(pool_by_fork, replaces_a_worker_while_the_programs_thread_has_the_loaders_lock) {
  kin::pool workers({.workers = 1, .start = kin::start::fork});
  EXPECT_EQ(workers.apply(twice, 1), 2);
  ::dl_iterate_phdr(
      [](dl_phdr_info*, std::size_t, void* pool) {
        auto& its = *static_cast<kin::pool*>(pool);
        const auto dies = its.apply_async(die);
        const auto next = its.apply_async(twice, 4);
        EXPECT_THROW(dies.get(), kin::worker_lost);
        EXPECT_EQ(next.get(), 8);
        return 1;
      },
      &workers);
}

// The program's thread takes kin's own locks meanwhile, and the loader's by way of kin: what it sends lies in a
// library.
TEST(pool_by_fork, replaces_workers_while_the_programs_thread_uses_kin) {
  kin::pool workers({.workers = 1, .start = kin::start::fork});
  for (int round = 0; round < 25; ++round) {
    const auto dies = workers.apply_async(die);
    std::vector<kin::future<long>> others;
    do {
      others.push_back(workers.apply_async(::labs, -3L));
    } while (!dies.ready());
    EXPECT_THROW(dies.get(), kin::worker_lost);
    for (const auto& each : others) ASSERT_EQ(each.get(), 3);
  }
}

// A thread that is new may not have run yet where the machine is busy, which takes many pools to meet.
TEST(long_pool_by_fork, takes_no_thread_of_kins_for_somebody_elses) {
  using clock = std::chrono::steady_clock;
  std::atomic<int> failed{0};
  for (const auto end = clock::now() + std::chrono::seconds(20); clock::now() < end;) {
    kin::pool workers({.workers = 1, .start = kin::start::fork, .on_worker_event = [&](const kin::worker_event& e) {
                         if (e.what == kin::worker_event::kind::start_failed) ++failed;
                       }});
    workers.apply([] {});
  }
  EXPECT_EQ(failed, 0);
}

}  // namespace
}  // namespace kin_test
