// SPDX-License-Identifier: BSL-1.0
// Workers by start::fork, begun beside the threads that kin has just started itself.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>

#include <kin/pool.hpp>

namespace kin_test {
namespace {

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
