// SPDX-License-Identifier: BSL-1.0
// task_memory: blocks that threads hand to each other.
#include <kin/pool/task_memory.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace {

using kin::detail::give_back_task_memory;
using kin::detail::take_task_memory;

TEST(task_memory, gives_each_block_to_one_at_a_time) {
  std::set<void*> out;
  std::vector<std::pair<void*, std::size_t>> all;
  for (int i = 0; i < 3000; ++i) {
    const std::size_t size = static_cast<std::size_t>(i) % 700 + 1;
    void* const p = take_task_memory(size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p) % alignof(std::max_align_t), 0u);
    std::memset(p, i, size);
    EXPECT_TRUE(out.insert(p).second);
    all.emplace_back(p, size);
    if (i % 3 != 0) continue;
    const auto [old, its] = all[all.size() / 2];
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2));
    out.erase(old);
    give_back_task_memory(old, its);
  }
  for (const auto& [p, size] : all) give_back_task_memory(p, size);
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
      for (void* p : some) give_back_task_memory(p, 100);
      std::this_thread::yield();
    }
  });
  constexpr int rounds = 2000, each = 100;
  for (int i = 0; i < rounds; ++i) {
    std::vector<void*> some;
    for (int k = 0; k < each; ++k) some.push_back(take_task_memory(100));
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
