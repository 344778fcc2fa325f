// SPDX-License-Identifier: BSL-1.0
// task_lane: between two threads, where ThreadSanitizer sees it; and with bytes that no worker writes.
#include "pool/task_lane.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <kin/core/error.hpp>

namespace {

using kin::detail::far_lane;
using kin::detail::lane_answers;
using kin::detail::lane_capacity;
using kin::detail::lane_home;
using kin::detail::lane_orders;
using kin::detail::near_lane;
using kin::detail::order_kind;

struct lane_in_memory {
  std::unique_ptr<lane_orders> orders = std::make_unique<lane_orders>();
  std::unique_ptr<lane_answers> answers = std::make_unique<lane_answers>();
  lane_home home{};
  near_lane near{*orders, *answers, false};
  far_lane far{*orders, *answers, home, false};
  std::atomic<int> told{0};
};

std::span<const std::byte> bytes_of(const std::uint64_t& n) { return std::as_bytes(std::span(&n, 1)); }
std::uint64_t number_in(std::span<const std::byte> bytes) {
  std::uint64_t n = 0;
  std::memcpy(&n, bytes.data(), sizeof n);
  return n;
}
void put(lane_in_memory& lane, std::uint64_t n) { lane.near.put(order_kind::in_slot, 3, n * 2, bytes_of(n)); }

// Answers each task with its number + 1 until no more will come.
void work(lane_in_memory& lane, std::atomic<int>* ran = nullptr) {
  while (const auto order = lane.far.next([&] { ++lane.told; })) {
    const std::uint64_t n = number_in(order->request);
    if (ran != nullptr) ++ran[n];
    const std::uint64_t result = n + 1;
    lane.far.answer(bytes_of(result));
  }
}

TEST(task_lane, brings_tasks_there_and_outcomes_back_in_order) {
  lane_in_memory lane;
  std::thread worker([&] { work(lane); });
  std::uint64_t next = 0, done = 0;
  near_lane::outcome got{};
  while (done < 5000) {
    while (!lane.near.full() && next < 5000) put(lane, next++);
    if (lane.near.take(got) != near_lane::found::outcome) continue;
    ASSERT_EQ(got.size, sizeof(std::uint64_t));
    ASSERT_EQ(number_in(got.bytes), ++done);
  }
  EXPECT_EQ(lane.near.size(), 0u);
  lane.near.leave();
  worker.join();
}

TEST(task_lane, says_what_kind_of_task_it_is) {
  lane_in_memory lane;
  put(lane, 7);
  lane.near.put(order_kind::in_frame, 1, 0, {});
  auto order = lane.far.next([] {});
  ASSERT_TRUE(order);
  EXPECT_EQ(order->kind, order_kind::in_slot);
  EXPECT_EQ(order->depth, 3u);
  EXPECT_EQ(order->memory_limit, 14u);
  lane.far.answered_in_frame();
  near_lane::outcome got{};
  EXPECT_EQ(lane.near.take(got), near_lane::found::in_frame);
  EXPECT_EQ(lane.near.take(got), near_lane::found::in_frame) << "it is there until it is skipped";
  lane.near.skip();
  order = lane.far.next([] {});
  ASSERT_TRUE(order);
  EXPECT_EQ(order->kind, order_kind::in_frame);
  EXPECT_TRUE(order->request.empty());
  EXPECT_EQ(lane.near.take(got), near_lane::found::nothing);
}

TEST(task_lane, finishes_what_it_has_before_it_leaves) {
  lane_in_memory lane;
  for (std::uint64_t n = 0; n < 5; ++n) put(lane, n);
  lane.near.leave();
  work(lane);
  near_lane::outcome got{};
  for (std::uint64_t n = 0; n < 5; ++n) EXPECT_EQ(lane.near.take(got), near_lane::found::outcome);
}

TEST(task_lane, gives_back_what_has_not_begun) {
  lane_in_memory lane;
  for (std::uint64_t n = 0; n < 4; ++n) put(lane, n);
  ASSERT_TRUE(lane.far.next([] {}));
  EXPECT_EQ(lane.near.remaining(), 1u);
  EXPECT_EQ(lane.near.recall(), 1u) << "the one that has begun stays";
  EXPECT_EQ(lane.near.recall(), 1u);
  put(lane, 9);
  const std::uint64_t result = 1;
  lane.far.answer(bytes_of(result));
  const auto order = lane.far.next([] {});
  ASSERT_TRUE(order);
  EXPECT_EQ(number_in(order->request), 9u) << "it comes where those were that went back";
}

TEST(task_lane, runs_each_task_once_or_gives_it_back_while_both_go_on) {
  constexpr std::uint64_t all = 20'000;
  lane_in_memory lane;
  std::vector<std::atomic<int>> ran(all);
  std::vector<bool> answered(all), back(all);
  std::thread worker([&] { work(lane, ran.data()); });
  std::mt19937 random(1);
  std::vector<std::uint64_t> inside;
  near_lane::outcome got{};
  std::uint64_t recalled = 0, done = 0;
  const auto take = [&] {
    while (lane.near.take(got) == near_lane::found::outcome) {
      ASSERT_EQ(number_in(got.bytes), inside.front() + 1);
      answered[inside.front()] = true;
      ++done;
      inside.erase(inside.begin());
    }
  };
  for (std::uint64_t n = 0; n < all;) {
    for (std::uint64_t some = random() % 8; some > 0 && n < all && !lane.near.full(); --some) {
      inside.push_back(n);
      put(lane, n++);
    }
    if (random() % 3 == 0)
      for (const std::size_t kept = lane.near.recall(); inside.size() > kept; inside.pop_back(), ++recalled)
        back[inside.back()] = true;
    // Now and then until the worker has got somewhere, so that it is met at all places.
    if (random() % 2 == 0)
      for (const std::uint64_t seen = done; !inside.empty() && done == seen;) take();
    take();
  }
  while (!inside.empty()) take();
  lane.near.leave();
  worker.join();
  for (std::uint64_t n = 0; n < all; ++n) {
    ASSERT_NE(answered[n], back[n]) << n;
    ASSERT_EQ(ran[n].load(), answered[n] ? 1 : 0) << n;
  }
  EXPECT_GT(recalled, 0u);
  EXPECT_GT(done, all / 10);
}

TEST(task_lane, tells_the_pool_before_it_sleeps_on_an_answer_nobody_has_taken) {
  lane_in_memory lane;
  std::thread worker([&] { work(lane); });
  put(lane, 1);
  while (lane.told == 0) std::this_thread::yield();
  near_lane::outcome got{};
  EXPECT_EQ(lane.near.take(got), near_lane::found::outcome);
  lane.near.leave();
  worker.join();
  EXPECT_EQ(lane.told, 1) << "there was nothing more to tell";
}

TEST(task_lane, says_once_what_many_requests_begin_with) {
  lane_in_memory lane;
  const std::string first(near_lane::most_head, 'a'), second = "second";
  const auto head = [](const std::string& text) { return std::as_bytes(std::span(text)); };
  const std::uint64_t numbers[] = {1, 2, 3};
  lane.near.put(3, head(first), 5, 6, bytes_of(numbers[0]));
  lane.near.put(0, head(second), 0, 0, bytes_of(numbers[1]));
  lane.near.put(3, {}, 0, 0, bytes_of(numbers[2]));  // it is known by now
  for (const unsigned expected : {3u, 0u, 3u}) {
    const auto order = lane.far.next([] {});
    ASSERT_TRUE(order);
    ASSERT_EQ(order->head, expected + 1);
    const auto text = lane.far.head(expected);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(text.data()), text.size()), expected == 3 ? first : second);
    EXPECT_EQ(order->depth, number_in(order->request) == 1 ? 5u : 0u);
    EXPECT_EQ(order->memory_limit, number_in(order->request) == 1 ? 6u : 0u);
    lane.far.answer(order->request);
  }
}

std::uint32_t rings(const lane_home& home) { return home.bell.word / kin::detail::bell::one_ring; }

TEST(task_lane, rings_once_for_the_outcome_that_is_waited_for) {
  lane_in_memory lane;
  for (std::uint64_t n = 0; n < 5; ++n) put(lane, n);
  const auto answer_one = [&] { lane.far.answer(lane.far.next([] {})->request); };
  lane.near.ring_after(1);
  answer_one();
  EXPECT_EQ(rings(lane.home), 0u);
  answer_one();
  EXPECT_EQ(rings(lane.home), 1u);
  answer_one();
  EXPECT_EQ(rings(lane.home), 1u) << "whoever slept is awake by now";
  near_lane::outcome got{};
  while (lane.near.take(got) == near_lane::found::outcome) {
  }
  lane.near.ring_after(0);
  answer_one();
  EXPECT_EQ(rings(lane.home), 2u);
  lane.near.ring_no_more();
  answer_one();
  EXPECT_EQ(rings(lane.home), 2u);
}

TEST(task_lane, tells_of_one_outcome_each_time_that_it_is_asked) {
  lane_in_memory lane;
  for (std::uint64_t n = 0; n < 5; ++n) put(lane, n);
  const auto answer_one = [&] {
    lane.far.answer(lane.far.next([] {})->request);
    return lane.far.is_to_tell();
  };
  EXPECT_FALSE(answer_one());
  lane.near.ask_to_tell();
  EXPECT_TRUE(answer_one());
  EXPECT_FALSE(answer_one());
  lane.near.ask_to_tell();
  lane.near.ask_to_tell();
  EXPECT_TRUE(answer_one());
  EXPECT_FALSE(answer_one());
}

TEST(task_lane, does_not_believe_what_no_worker_writes) {
  near_lane::outcome got{};
  {
    lane_in_memory lane;
    put(lane, 1);
    lane.answers->slots[0].number = 5;
    EXPECT_THROW((void)lane.near.take(got), kin::decode_error);
  }
  {
    lane_in_memory lane;
    put(lane, 1);
    lane.answers->slots[0].size = 4000;
    lane.answers->slots[0].number = 1;
    EXPECT_THROW((void)lane.near.take(got), kin::decode_error);
  }
  {
    lane_in_memory lane;
    put(lane, 1);
    lane.answers->begun = 1'000'000;
    EXPECT_THROW((void)lane.near.remaining(), kin::decode_error);
    EXPECT_THROW((void)lane.near.recall(), kin::decode_error);
  }
  {
    lane_in_memory lane;
    std::memset(static_cast<void*>(lane.answers.get()), 0xff, sizeof(lane_answers));
    put(lane, 1);
    EXPECT_THROW((void)lane.near.take(got), kin::decode_error);
  }
  {
    lane_in_memory lane;
    lane.answers->slots[0].number = 1;  // before there was anything to answer
    EXPECT_EQ(lane.near.take(got), near_lane::found::nothing);
  }
}

TEST(task_lane, goes_round_with_full_rings) {
  lane_in_memory lane;
  near_lane::outcome got{};
  for (std::uint64_t lap = 0; lap < 5; ++lap) {
    for (std::uint64_t i = 0; i < lane_capacity; ++i) put(lane, lap * 100 + i);
    EXPECT_TRUE(lane.near.full());
    for (std::uint64_t i = 0; i < lane_capacity; ++i) {
      const auto order = lane.far.next([] {});
      ASSERT_EQ(number_in(order->request), lap * 100 + i);
      lane.far.answer(order->request);
    }
    for (std::uint64_t i = 0; i < lane_capacity; ++i) {
      ASSERT_EQ(lane.near.take(got), near_lane::found::outcome);
      ASSERT_EQ(number_in(got.bytes), lap * 100 + i);
    }
  }
}

}  // namespace
