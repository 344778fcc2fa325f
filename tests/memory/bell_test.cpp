// SPDX-License-Identifier: BSL-1.0
// bell: between threads, with ringers that publish by plain stores.
#include "memory/bell.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>

#include "memory/cpu.hpp"
#include "os/memory_barrier.hpp"

namespace {

using kin::deadline;
using kin::detail::bell;
using kin::detail::spinning;
using kin::detail::wait_for;

struct place {
  alignas(128) bell its_bell{};
  std::atomic<std::uint64_t> count{0};

  void publish(bool light) {
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    if (light)
      std::atomic_signal_fence(std::memory_order_seq_cst);
    else
      kin::detail::cpu::full_fence();
    ring(its_bell, 1);
  }
  void await(bool light, std::uint64_t n, spinning how) {
    wait_for(its_bell, light, deadline::never(), how, [&] { return count.load(std::memory_order_acquire) >= n; });
  }
  [[nodiscard]] std::uint32_t care() const { return its_bell.word & (bell::careful | bell::settled); }
};

void go_by_turns(bool light, spinning how) {
  place there, back;
  constexpr std::uint64_t rounds = 20'000;
  std::thread other([&] {
    for (std::uint64_t i = 1; i <= rounds; ++i) {
      there.await(light, i, how);
      back.publish(light);
    }
  });
  for (std::uint64_t i = 1; i <= rounds; ++i) {
    there.publish(light);
    back.await(light, i, how);
  }
  other.join();
}

TEST(bell, loses_no_wake_between_two_who_sleep_by_turns) {
  go_by_turns(false, spinning::useless);
  if (kin::os::has_heavy_barrier()) go_by_turns(true, spinning::useless);
}

TEST(bell, loses_no_wake_between_two_who_spin_and_sleep_by_turns) {
  go_by_turns(false, spinning::allowed);
  if (kin::os::has_heavy_barrier()) go_by_turns(true, spinning::allowed);
}

TEST(bell, asks_for_care_at_the_first_sleep_and_until_nobody_has_slept_for_a_while) {
  if (!kin::os::has_heavy_barrier()) GTEST_SKIP() << "membarrier(2) is refused here";
  place p;
  EXPECT_EQ(p.care(), 0u);
  std::thread sleeper([&] { p.await(true, 1, spinning::useless); });
  while (p.care() != (bell::careful | bell::settled)) std::this_thread::yield();
  p.publish(true);
  sleeper.join();
  EXPECT_EQ(p.care(), bell::careful | bell::settled);
  for (int i = 0; i < 1000; ++i) p.publish(true);
  EXPECT_EQ(p.care(), 0u);
}

TEST(bell, asks_nobody_for_care_where_everybody_fences) {
  place p;
  std::thread sleeper([&] { p.await(false, 1, spinning::useless); });
  while ((p.its_bell.word & bell::asleep) == 0) std::this_thread::yield();
  EXPECT_EQ(p.care(), 0u);
  p.publish(false);
  sleeper.join();
}

}  // namespace
