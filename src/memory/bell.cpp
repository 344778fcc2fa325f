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
#include "os/processors.hpp"

namespace kin::detail {
namespace {

constexpr auto asleep = bell::asleep, careful = bell::careful, settled = bell::settled, one_ring = bell::one_ring;

constexpr std::uint32_t most_in_vain = 5;

// About what the barrier costs that comes after it.
constexpr std::uint16_t most_fences_in_vain = 100;

// Who was woken by somebody on this very processor spins one time in so many all the same: two who sleep and wake by
// turns would stay together for ever, even with an idle processor beside them.
constexpr unsigned spins_beside = 256;
thread_local constinit unsigned beside = 0;

// Nanoseconds between two looks. Each takes a line away from who is about to write it.
constexpr std::uint64_t often = 150, seldom = 1500;

// What this thread rang last, and how often it had been rung then. Of a bell that both sides ring, as a mutex's, the
// last ring may be one's own, and says nothing about where the other side runs.
thread_local constinit const bell* rung = nullptr;
thread_local constinit std::uint32_t rings_then = 0;
void note_ring(const bell& b, std::uint32_t word) noexcept {
  rung = &b;
  rings_then = word / one_ring;
}
bool rang_last(const bell& b) noexcept {
  return rung == &b && rings_then == b.word.load(std::memory_order_relaxed) / one_ring;
}

std::uint16_t processor_mark() noexcept { return static_cast<std::uint16_t>(os::current_processor() + 1); }

}  // namespace

void ring_slowly(bell& b, int most) noexcept {
  // What was published before this is seen by whoever sets the bit after it.
  cpu::full_fence();
  std::uint32_t seen = b.word.load();
  if ((seen & asleep) == 0) {
    const std::uint16_t fences = b.fences.load(std::memory_order_relaxed);
    b.fences.store(static_cast<std::uint16_t>(fences + 1), std::memory_order_relaxed);
    if (fences < most_fences_in_vain) return;
    b.fences.store(0, std::memory_order_relaxed);
    // Only as long as nobody sleeps: those who do rely on it.
    b.word.compare_exchange_strong(seen, seen & ~(careful | settled));
    return;
  }
  b.fences.store(0, std::memory_order_relaxed);
  // To everybody: nobody is left asleep, so the bit goes with the same step.
  const std::uint32_t kept = most == all_sleepers ? 0 : asleep;
  do {
    if ((seen & asleep) == 0) return;
  } while (!b.word.compare_exchange_weak(seen, ((seen + one_ring) & ~asleep) | kept));
  b.rung_at.store(steady_now(), std::memory_order_relaxed);
  b.rung_on.store(processor_mark(), std::memory_order_relaxed);
  note_ring(b, seen + one_ring);
  const int woken = os::futex_wake(b.word, most);
  if (most == all_sleepers || woken >= most) return;
  // Fewer than asked for: nobody sleeps now. Should somebody have begun to, it is woken and sets the bit again.
  std::uint32_t mine = (seen + one_ring) | asleep;
  if (b.word.compare_exchange_strong(mine, (mine + one_ring) & ~asleep)) {
    note_ring(b, mine + one_ring);
    os::futex_wake(b.word, os::everybody);
  }
}

void wake(bell& b, int most) noexcept {
  b.word.fetch_add(one_ring);
  b.rung_at.store(steady_now(), std::memory_order_relaxed);
  os::futex_wake(b.word, most);
}

bool rouse(bell& b) noexcept {
  // Before the word: a sleeper reads the word first and sets slept_on after it.
  if (b.slept_on.exchange(0) == 0) return false;
  wake_all(b);
  return true;
}

sleep::sleep(bell& b, bool light, spinning how) noexcept : bell_(b), light_(light) {
  const std::uint64_t budget = how == spinning::useless ? 0 : spin_budget();
  if (budget == 0) return;
  // On one core every moment of spinning is lost twice. Where the other side ran when it last woke somebody is known,
  // and whether spinning helped lately: each time in vain halves the next attempt.
  if (b.rung_on.load(std::memory_order_relaxed) == processor_mark() && !rang_last(b) && ++beside % spins_beside != 0)
    return;
  const std::uint32_t in_vain = std::min(b.in_vain.load(std::memory_order_relaxed), most_in_vain);
  budget_ = budget >> in_vain;
  apart_ = how == spinning::seldom ? seldom : often;
}

void sleep::note_spin(bool helped) noexcept {
  const std::uint32_t in_vain = bell_.in_vain.load(std::memory_order_relaxed);
  const std::uint32_t now = helped ? 0 : std::min(in_vain + 1, most_in_vain);
  if (in_vain != now) bell_.in_vain.store(now, std::memory_order_relaxed);
}

void sleep::announce() {
  const std::uint32_t wanted = light_ ? asleep | careful : asleep;
  seen_ = bell_.word.load();
  while ((seen_ & wanted) != wanted)
    if (bell_.word.compare_exchange_weak(seen_, seen_ | wanted)) seen_ |= wanted;
  // slept_on after the last reading of the word: see rouse().
  if (bell_.slept_on.load() == 0) bell_.slept_on.store(1);
  if (!light_ || (seen_ & settled) != 0) {
    cpu::full_fence();
    return;
  }
  if (!os::heavy_barrier())
    throw error(
        "kin: membarrier(2) is refused in this process, but not in the root of its family; allow it in both or in "
        "neither");
  // Every ringer has seen `careful` by now, or published before. Unless it was taken back meanwhile: then somebody has
  // rung, and the word is another.
  std::uint32_t unchanged = seen_;
  if (bell_.word.compare_exchange_strong(unchanged, seen_ | settled)) seen_ |= settled;
}

wait_end sleep::until_rung(const deadline& until) {
  const bool in_time = os::futex_wait(bell_.word, seen_, until);
  if (in_time && bell_.word.load(std::memory_order_relaxed) != seen_)
    note_wake(bell_.rung_at.load(std::memory_order_relaxed));
  return in_time ? wait_end::rung : wait_end::deadline;
}

}  // namespace kin::detail
