// SPDX-License-Identifier: BSL-1.0
// bell: see the header.
#include "memory/bell.hpp"

#include <algorithm>

#include <kin/core/error.hpp>

#include "memory/cpu.hpp"
#include "memory/wake_cost.hpp"
#include "os/futex.hpp"
#include "os/futex_wake.hpp"
#include "os/memory_barrier.hpp"

namespace kin::detail {
namespace {

constexpr std::uint32_t asleep = 1, one_ring = 2;

constexpr std::uint32_t most_in_vain = 5;

// Nanoseconds between two looks. Each takes a line away from who is about to write it.
constexpr std::uint64_t often = 150, seldom = 1500;

}  // namespace

void ring_slowly(bell& b, int most) noexcept {
  std::uint32_t seen = b.word.load();
  // To everybody: nobody is left asleep, so the bit goes with the same step.
  const std::uint32_t kept = most == all_sleepers ? 0 : asleep;
  do {
    if ((seen & asleep) == 0) return;
  } while (!b.word.compare_exchange_weak(seen, ((seen + one_ring) & ~asleep) | kept));
  b.rung_at.store(steady_now(), std::memory_order_relaxed);
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
  const std::uint64_t budget = how == spinning::useless ? 0 : spin_budget();
  if (budget == 0) return;
  // On one core every moment of spinning is lost twice. Nobody can see where the other runs; but whether spinning
  // helped lately tells the same: each time in vain halves the next attempt.
  const std::uint32_t in_vain = std::min(b.in_vain.load(std::memory_order_relaxed), most_in_vain);
  const std::uint64_t now = steady_now();
  spin_end_ = now + (budget >> in_vain);
  interval_ = how == spinning::seldom ? seldom : often;
  next_look_ = now + interval_;
}

bool sleep::spin() noexcept {
  if (spin_end_ == 0) return false;
  std::uint64_t now = 0;
  do {
    for (int i = 0; i < 8; ++i) cpu::pause();
    now = steady_now();
  } while (now < next_look_);
  // One look in any case: a spin that is over before it has looked would find itself in vain for ever.
  if (now < spin_end_ || !looked_) {
    next_look_ = now + interval_;
    return looked_ = true;
  }
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
    cpu::full_fence();
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
