// SPDX-License-Identifier: BSL-1.0
// ring_wait: what the two sides of a byte ring have in common when they wait for each other and ring each other's bell.
//
// Who goes to sleep sets its bell, makes that known to all (heavy_barrier, or a fence), looks a last time, and sleeps
// in the kernel on its socket: a byte there is a ring, a hang-up the other side's end or death. Who publishes looks at
// the bell after it, and takes it before it rings; so a ring is never lost, and one sleep costs one ring.
//
// membarrier(2) interrupts every processor that runs a process of ours. So a reader that sleeps again and again asks
// the writer for a fence after each message instead (its care), pays one membarrier for all to know, and sleeps without
// it until it has a stream to read again.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "memory/cpu.hpp"

namespace kin::detail {

/// The values of a reader's bell. Somebody sleeps, or has shown a poller that nothing is there.
inline constexpr std::uint32_t bell_asleep = 1;
/// A writer has taken the bell and is about to send the byte; its process is named above. Found by another writer: that
/// one died on the way.
inline constexpr std::uint32_t bell_ringing = 4;
constexpr std::uint32_t bell_rung_by(int process) noexcept {
  return bell_ringing | static_cast<std::uint32_t>(process) << 3;  // process numbers have 22 bits
}
std::uint32_t bell_rung_here();
constexpr int ringer_of(std::uint32_t bell) noexcept { return static_cast<int>(bell >> 3); }
/// An end of the reading side has been closed, or is just being closed; perhaps it was the last.
inline constexpr std::uint32_t bell_closed = 2;

/// The values of a reader's care. Writers make fences; perhaps not all have seen it yet.
inline constexpr std::uint32_t care_begun = 1;
/// All have.
inline constexpr std::uint32_t care_settled = 2;

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

/// How one side has fared with spinning lately. Each time in vain halves the next attempt, so that it is given up where
/// the other side is seldom near an answer, as beside busy processes; now and then it is tried at full length.
class halved_spins {
 public:
  /// What the budget is to be shifted by.
  unsigned halvings() noexcept { return ++waits_ % waits_for_a_try == 0 ? 0 : in_vain_; }
  void note(bool found) noexcept { in_vain_ = found ? 0 : std::min(in_vain_ + 1, most_halvings); }

 private:
  static constexpr unsigned most_halvings = 7, waits_for_a_try = 128;
  unsigned in_vain_ = 0, waits_ = 0;
};

/// For spin_until: nanoseconds worth spinning for with the other side on `theirs`.
std::uint64_t worth_spinning(std::uint32_t theirs) noexcept;
bool is_past(std::uint64_t end) noexcept;
std::uint64_t spin_end(std::uint64_t budget) noexcept;

/// What comes as soon as the other processor answers comes within this many looks, and a pause would be noticed.
inline constexpr int looks_without_a_pause = 96;

/// Spins until `look` says true, for about as long as a wake-up costs; not at all while the other side was last seen on
/// this very processor, where spinning only keeps it from running. `pauses`: between two looks; 0: the first ones come
/// at once.
/// `halvings`: of that time.
template <class Look>
bool spin_until(const std::atomic<std::uint32_t>& theirs, int pauses, unsigned halvings, Look&& look) {
  const std::uint64_t budget = worth_spinning(theirs.load(std::memory_order_relaxed)) >> halvings;
  if (budget == 0) return look();
  if (pauses == 0)
    for (int i = 0; i < looks_without_a_pause; ++i)
      if (look()) return true;
  const std::uint64_t end = spin_end(budget);
  do {
    for (int i = 0; i < 8; ++i) {
      for (int k = 0; k < std::max(pauses, 1); ++k) cpu::pause();
      if (look()) return true;
    }
  } while (!is_past(end));
  return false;
}

}  // namespace kin::detail
