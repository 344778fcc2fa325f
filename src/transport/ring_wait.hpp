// SPDX-License-Identifier: BSL-1.0
// ring_wait: what the two sides of a byte ring have in common when they wait for each other and ring each other's bell.
//
// Who goes to sleep sets its bell, makes that known to all (heavy_barrier, or a fence), looks a last time, and sleeps
// in the kernel: a reader on an event, a writer on a byte in its socket; a hang-up of the socket is the other side's
// end or death. Who publishes looks at the bell after it, and takes it before it rings; so a ring is never lost, and
// one sleep costs one ring.
//
// membarrier(2) interrupts every processor that runs a process of ours. So a reader that sleeps again and again asks
// the writer for a fence after each message instead (its care), pays one membarrier for all to know, and sleeps without
// it until it has a stream to read again.
#pragma once

#include <atomic>
#include <cstdint>

#include "memory/cpu.hpp"
#include "memory/spin.hpp"

namespace kin::detail {

/// The values of a reader's bell. Somebody sleeps, and is rung by the event.
inline constexpr std::uint32_t bell_asleep = 1;
/// A poller has been shown that nothing is there, and is rung by a byte.
inline constexpr std::uint32_t bell_watched = 8;
/// A writer has taken the bell and is about to ring; its process is named above. Found by another writer: that one died
/// on the way.
inline constexpr std::uint32_t bell_ringing = 4;
constexpr std::uint32_t bell_rung_by(int process) noexcept {
  return bell_ringing | static_cast<std::uint32_t>(process) << 4;  // process numbers have 22 bits
}
std::uint32_t bell_rung_here();
constexpr int ringer_of(std::uint32_t bell) noexcept { return static_cast<int>(bell >> 4); }
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

/// Wakes a sleeper, whether or not there is one still.
void ring_by_event(int event, std::atomic<std::uint64_t>& rung_at) noexcept;
/// Sends the byte that a poller sees, or a sleeper. False: nobody is at the other end any more. Throws os_error.
bool ring_by_socket(int socket, std::atomic<std::uint64_t>& rung_at);

/// Writes down where this side runs, for the other's decision whether to spin.
void note_processor(std::atomic<std::uint32_t>& mine) noexcept;

/// Whether the other side, last seen on `theirs`, may be at work while this one spins. On this very processor spinning
/// only keeps it from running.
bool runs_elsewhere(const std::atomic<std::uint32_t>& theirs) noexcept;

/// Spins for the other side.
template <class Look>
bool spin_for(const std::atomic<std::uint32_t>& theirs, const spin_rhythm& rhythm, Look&& look) {
  return runs_elsewhere(theirs) ? spin(spin_budget(), rhythm, look) : look();
}

}  // namespace kin::detail
