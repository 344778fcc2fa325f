// SPDX-License-Identifier: BSL-1.0
// task_memory: blocks that threads hand to each other.
#include <kin/pool/task_memory.hpp>
#include <kin/pool/way.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "pool/pooled_task.hpp"

namespace {

using kin::detail::give_back_task_memory;
using kin::detail::take_task_memory;
using kin::detail::task_block;

TEST(task_memory, gives_each_block_to_one_at_a_time) {
  std::set<void*> out;
  std::vector<std::pair<void*, std::size_t>> all;
  for (int i = 0; i < 3000; ++i) {
    const std::size_t size = static_cast<std::size_t>(i) % 700 + 1;
    void* const p = take_task_memory(task_block::task, size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p) % alignof(std::max_align_t), 0u);
    std::memset(p, i, size);
    EXPECT_TRUE(out.insert(p).second);
    all.emplace_back(p, size);
    if (i % 3 != 0) continue;
    const auto [old, its] = all[all.size() / 2];
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2));
    out.erase(old);
    give_back_task_memory(task_block::task, old, its);
  }
  for (const auto& [p, size] : all) give_back_task_memory(task_block::task, p, size);
}

// What a program with many has is cut from larger pieces than the first ones are: those do not overlap, either.
TEST(task_memory, gives_many_at_a_time) {
  constexpr std::size_t size = 128, count = 40000;
  std::vector<unsigned char*> all;
  for (std::size_t i = 0; i < count; ++i) {
    all.push_back(static_cast<unsigned char*>(take_task_memory(task_block::state, size)));
    std::memset(all.back(), static_cast<int>(i % 251), size);
  }
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t k = 0; k < size; ++k) wrong += all[i][k] != i % 251 ? 1 : 0;
  EXPECT_EQ(wrong, 0u);
  for (auto* p : all) give_back_task_memory(task_block::state, p, size);
}

// A thread may end that has never taken any.
TEST(task_memory, of_a_thread_that_only_gives_back_outlives_it) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "AddressSanitizer has the heap's own";
#endif
  std::set<void*> seen;
  constexpr int rounds = 200, each = 60;
  for (int i = 0; i < rounds; ++i) {
    std::vector<void*> some;
    for (int k = 0; k < each; ++k) some.push_back(take_task_memory(task_block::task, 300));
    seen.insert(some.begin(), some.end());
    std::thread([&] {
      for (void* p : some) give_back_task_memory(task_block::task, p, 300);
    }).join();
  }
  EXPECT_LT(seen.size(), static_cast<std::size_t>(rounds) * each / 4);
}

// The memory that a million tasks take: two lines each, and two for a future of a small value.
TEST(task_memory, is_two_lines_for_a_task_and_two_for_its_future) {
  EXPECT_LE(sizeof(kin::detail::pooled_task) + 32, 128u);
  constexpr std::size_t counts = 16;  // beside a shared_ptr's object
  EXPECT_LE(sizeof(kin::detail::copied_state<void>) + counts, 128u);
  EXPECT_LE(sizeof(kin::detail::copied_state<int>) + counts, 128u);
  EXPECT_LE(sizeof(kin::detail::copied_state<double>) + counts, 128u);
}

// One thread only takes, another only gives back: what is given back must come round.
TEST(task_memory, comes_back_to_who_needs_it_from_who_does_not) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "AddressSanitizer has the heap's own";
#endif
  std::mutex mutex;
  std::vector<void*> on_its_way;
  std::set<void*> seen;
  bool done = false;
  std::thread other([&] {
    for (;;) {
      std::vector<void*> some;
      {
        const std::lock_guard hold(mutex);
        some.swap(on_its_way);
        if (some.empty() && done) return;
      }
      for (void* p : some) give_back_task_memory(task_block::state, p, 100);
      std::this_thread::yield();
    }
  });
  constexpr int rounds = 2000, each = 100;
  for (int i = 0; i < rounds; ++i) {
    std::vector<void*> some;
    for (int k = 0; k < each; ++k) some.push_back(take_task_memory(task_block::state, 100));
    seen.insert(some.begin(), some.end());
    std::unique_lock hold(mutex);
    on_its_way.insert(on_its_way.end(), some.begin(), some.end());
    // Not more under way than the other can bring back.
    while (on_its_way.size() > 1000) {
      hold.unlock();
      std::this_thread::yield();
      hold.lock();
    }
  }
  {
    const std::lock_guard hold(mutex);
    done = true;
  }
  other.join();
  EXPECT_LT(seen.size(), static_cast<std::size_t>(rounds) * each / 4);
}

}  // namespace
