// SPDX-License-Identifier: BSL-1.0
// ring_wait: what the two sides of a byte ring have in common when they wait for each other and ring each other's bell.
//
// Who goes to sleep sets its bell, makes that known to all (heavy_barrier, or a fence), looks a last time, and sleeps
// in the kernel on its socket: a byte there is a ring, a hang-up the other side's end or death. Who publishes looks at
// the bell after it, and takes it before it rings; so a ring is never lost, and one sleep costs one ring.
#pragma once

#include <atomic>
#include <cstdint>

#include "memory/cpu.hpp"

namespace kin::detail {

/// Between a publication and the look at the other side's bell.
inline void after_publication(bool light) noexcept {
  if (light)
    std::atomic_signal_fence(std::memory_order_seq_cst);  // the sleeper's heavy_barrier does the rest
  else
    cpu::full_fence();
}
/// Between setting one's own bell and the last look. Throws error where membarrier(2) is refused by now.
void before_last_look(bool light);

/// Sends the byte that wakes a sleeper. False: nobody is at the other end any more. Throws os_error.
bool ring_by_socket(int socket, std::atomic<std::uint64_t>& rung_at);

/// Writes down where this side runs, for the other's decision whether to spin.
void note_processor(std::atomic<std::uint32_t>& mine) noexcept;

/// Spins until `look` says true, for about as long as a wake-up costs; not at all while the other side was last seen on
/// this very processor, where spinning only keeps it from running. `pauses`: between two looks.
template <class Look>
bool spin_until(const std::atomic<std::uint32_t>& theirs, int pauses, Look&& look);

/// For spin_until: nanoseconds worth spinning for with the other side on `theirs`.
std::uint64_t worth_spinning(std::uint32_t theirs) noexcept;
bool is_past(std::uint64_t end) noexcept;
std::uint64_t spin_end(std::uint64_t budget) noexcept;

template <class Look>
bool spin_until(const std::atomic<std::uint32_t>& theirs, int pauses, Look&& look) {
  const std::uint64_t budget = worth_spinning(theirs.load(std::memory_order_relaxed));
  if (budget == 0) return look();
  const std::uint64_t end = spin_end(budget);
  do {
    for (int i = 0; i < 8; ++i) {
      if (look()) return true;
      for (int k = 0; k < pauses; ++k) cpu::pause();
    }
  } while (!is_past(end));
  return look();
}

}  // namespace kin::detail
