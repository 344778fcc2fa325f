// SPDX-License-Identifier: BSL-1.0
// joinable_queue: waiting until everything has been done.
#include <kin/queue.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

TEST(joinable_queue, joins_at_once_when_nothing_was_put) {
  const kin::joinable_queue<int> work;
  work.join();
  EXPECT_TRUE(work.join_for(0s));
}

TEST(joinable_queue, is_joined_when_every_item_is_done) {
  const kin::joinable_queue<int> work(2);
  std::atomic<int> done = 0;
  std::vector<std::jthread> workers;
  for (int i = 0; i < 3; ++i)
    workers.emplace_back([&] {
      for ([[maybe_unused]] const int item : work) {
        ++done;
        work.task_done();
      }
    });
  for (int i = 0; i < 200; ++i) work.put(i);
  work.join();
  EXPECT_EQ(done, 200);
  work.close();
}

TEST(joinable_queue, is_not_joined_by_getting_alone) {
  const kin::joinable_queue<int> work;
  work.put(1);
  (void)work.get();
  EXPECT_FALSE(work.join_for(10ms));
  EXPECT_FALSE(work.join_until(std::chrono::steady_clock::now() + 10ms));
  work.task_done();
  EXPECT_TRUE(work.join_for(0s));
}

TEST(joinable_queue, refuses_to_be_done_more_often_than_there_were_items) {
  const kin::joinable_queue<int> work;
  EXPECT_THROW(work.task_done(), std::logic_error);
  work.put(1);
  work.task_done();
  EXPECT_THROW(work.task_done(), std::logic_error);
}

TEST(joinable_queue, is_a_queue_whose_items_count_too) {
  const kin::joinable_queue<int> work;
  const kin::queue<int> plain = work;
  plain.put(1);
  EXPECT_FALSE(work.join_for(0s));
  EXPECT_EQ(work.get(), 1);
  work.task_done();
  work.join();
}

}  // namespace
