// SPDX-License-Identifier: BSL-1.0
// bell: see the header.
#include "memory/bell.hpp"

#include <algorithm>
#include <chrono>

#include <kin/core/error.hpp>

#include "os/futex.hpp"
#include "os/futex_wake.hpp"
#include "os/memory_barrier.hpp"
#include "os/processors.hpp"

namespace kin::detail {
namespace {

constexpr std::uint32_t asleep = 1, one_ring = 2;

// What it takes from a ring to the woken thread's running, here and now: measured at each wake, never a constant.
std::atomic<std::uint32_t> wake_cost{10'000};
constexpr std::uint32_t least_cost = 1'000, most_cost = 50'000;
constexpr std::uint32_t most_in_vain = 5;

std::uint64_t now() noexcept {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

void note_wake(std::uint64_t rung_at) noexcept {
  const std::uint64_t took = now() - rung_at;
  if (took > 10 * most_cost) return;  // rung for somebody else, or long ago
  const std::uint32_t old = wake_cost.load(std::memory_order_relaxed);
  const std::uint64_t mean = (7 * std::uint64_t{old} + took) / 8;
  wake_cost.store(std::clamp(static_cast<std::uint32_t>(mean), least_cost, most_cost), std::memory_order_relaxed);
}

bool has_other_processors() noexcept {
  static const bool more = os::processors_in_affinity() > 1;
  return more;
}

void full_fence() noexcept {
#if defined(__SANITIZE_THREAD__)
  static std::atomic<int> any{0};  // ThreadSanitizer knows no fences
  any.fetch_add(0);
#else
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

void pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

void ring_slowly(bell& b, int most) noexcept {
  std::uint32_t seen = b.word.load();
  // To everybody: nobody is left asleep, so the bit goes with the same step.
  const std::uint32_t kept = most == all_sleepers ? 0 : asleep;
  do {
    if ((seen & asleep) == 0) return;
  } while (!b.word.compare_exchange_weak(seen, ((seen + one_ring) & ~asleep) | kept));
  b.rung_at.store(now(), std::memory_order_relaxed);
  const int woken = os::futex_wake(b.word, most);
  if (most == all_sleepers || woken >= most) return;
  // Fewer than asked for: nobody sleeps now. Should somebody have begun to, it is woken and sets the bit again.
  std::uint32_t mine = (seen + one_ring) | asleep;
  if (b.word.compare_exchange_strong(mine, (mine + one_ring) & ~asleep)) os::futex_wake(b.word, os::everybody);
}

bool rouse(bell& b) noexcept {
  // Before the word: a sleeper reads the word first and sets slept_on after it.
  if (b.slept_on.exchange(0) == 0) return false;
  b.word.fetch_add(one_ring);
  os::futex_wake(b.word, os::everybody);
  return true;
}

sleep::sleep(bell& b, spinning how) noexcept : bell_(b) {
  if (how == spinning::useless || !has_other_processors()) return;
  // On one core every moment of spinning is lost twice. Nobody can see where the other runs; but whether spinning
  // helped lately tells the same: each time in vain halves the next attempt.
  const std::uint32_t in_vain = std::min(b.in_vain.load(std::memory_order_relaxed), most_in_vain);
  spin_end_ = now() + ((wake_cost.load(std::memory_order_relaxed) * std::uint64_t{3} / 2) >> in_vain);
}

bool sleep::spin() noexcept {
  if (spin_end_ == 0) return false;
  for (int i = 0; i < 8; ++i) pause();
  if (now() < spin_end_) return true;
  const std::uint32_t in_vain = bell_.in_vain.load(std::memory_order_relaxed);
  if (in_vain < most_in_vain) bell_.in_vain.store(in_vain + 1, std::memory_order_relaxed);
  return false;
}

void sleep::spinning_helped() noexcept {
  if (bell_.in_vain.load(std::memory_order_relaxed) != 0) bell_.in_vain.store(0, std::memory_order_relaxed);
}

void sleep::announce(bool light) {
  seen_ = bell_.word.load();
  while ((seen_ & asleep) == 0)
    if (bell_.word.compare_exchange_weak(seen_, seen_ | asleep)) seen_ |= asleep;
  // slept_on after the last reading of the word: see rouse().
  if (bell_.slept_on.load() == 0) bell_.slept_on.store(1);
  if (!light)
    full_fence();
  else if (!os::heavy_barrier())
    throw error(
        "kin: membarrier(2) is refused in this process, but not in the root of its family; allow it in both or in "
        "neither");
}

bool sleep::until_rung(deadline until) {
  const bool in_time = os::futex_wait(bell_.word, seen_, until);
  if (in_time && bell_.word.load(std::memory_order_relaxed) != seen_)
    note_wake(bell_.rung_at.load(std::memory_order_relaxed));
  return in_time;
}

}  // namespace kin::detail
