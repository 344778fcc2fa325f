// SPDX-License-Identifier: BSL-1.0
// turn: holds one of a ring's locks. A lock is a word, 0 or the claim of who holds it; a dead one's is taken over, and
// there is nothing to repair then. Releasing it is a plain store where membarrier(2) works: who goes to sleep pays for
// the order.
//
// A thread that has taken the word many times in a row gets the bias: from then on it goes in and out by plain stores
// to a seat of its own, without a locked instruction. Whoever else comes takes the word, revokes the bias, makes that
// known to all by membarrier(2), and waits until the seat is empty. models/turn.pml checks it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <utility>

#include <kin/core/deadline.hpp>

#include "memory/bell.hpp"
#include "memory/family.hpp"
#include "memory/mutant.hpp"

namespace kin::detail {

//   store                                       killed after it
//   ---------------------------------------------------------------------------------------------------------------
//   word = mine                                 taken over by who finds the claim dead
//   inside = 1                                  the seat of a dead one counts as empty
//   bias = seat | revoked                       whoever takes the word over revokes again
//   bias = 0, last, streak                      no meaning but for speed
//   seat: inside = 0, owner = mine              a seat of a dead one, free for the next
//   bias = seat                                 revoked by who comes next; the dead one's seat counts as empty
//   inside = 0, word = 0                        released; who sleeps is roused by the death
struct turn_lock {
  /// A thread's own for as long as its process lives: nobody else ever writes `inside`, however late a store may be.
  struct seat {
    std::atomic<claim> owner;
    std::atomic<std::uint64_t> inside;
  };
  static constexpr std::uint32_t seat_count = 4;
  static constexpr std::uint32_t revoked = 0x100;

  std::atomic<claim> word;
  std::atomic<std::uint32_t> bias;    ///< number of a seat, from 1 on; 0: nobody has it. Written by who has the word
  std::atomic<std::uint32_t> streak;  ///< how often in a row `last` took the word; both only for who has it
  std::atomic<claim> last;
  std::array<seat, seat_count> seats;

  /// With the bias, no locked instruction: sit down, and see whether one still has the bias. Then the lock is taken.
  /// Null: `me` has no bias, or sits already.
  seat* sit(claim me) noexcept {
    const std::uint32_t number = bias.load(std::memory_order_relaxed);
    if (number - 1 >= seat_count) return nullptr;
    seat& its = seats[number - 1];
    if (its.owner.load(std::memory_order_relaxed) != me || its.inside.load(std::memory_order_relaxed) != 0)
      return nullptr;
    its.inside.store(1, std::memory_order_relaxed);
    // Who revokes uses heavy_barrier between its store to `bias` and its look at `inside`: one of the two sees the
    // other.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return &its;
  }
  [[nodiscard]] bool is_biased_to(const seat* its) const noexcept {
    return static_cast<std::size_t>(its - seats.data()) + 1 == bias.load(std::memory_order_acquire) ||
           mutant("bias not looked at again");
  }
  /// And then ring_seat_left(): somebody may wait for it.
  static void get_up(seat& its) noexcept {
    its.inside.store(0, std::memory_order_release);
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
};

/// To all: one of them may have the word and wait for the seat, and others for the word.
inline void ring_seat_left(bell& released) noexcept {
  if (!mutant("seat not rung")) ring(released, all_sleepers);
}

class turn {
 public:
  /// `released` is rung when the lock is given up; nothing is taken yet.
  turn(turn_lock& lock, bell& released, claim me) noexcept : lock_(lock), released_(released), me_(me) {}
  turn(const turn&) = delete;
  turn& operator=(const turn&) = delete;
  ~turn() {
    if (held_) release();
  }

  /// Waits for it; a little longer than `until`, because a lock that is merely busy is no reason to miss an item that
  /// is there. Throws os_error (EDEADLK: a signal handler came back to the lock that it interrupted).
  bool take(const deadline& until) {
    seat_ = lock_.sit(me_);
    if (seat_ && lock_.is_biased_to(seat_)) return held_ = true;
    if (seat_) leave();
    return held_ = take_word(until);
  }
  void release() noexcept {
    held_ = false;
    if (seat_)
      leave();
    else
      release_word();
  }

 private:
  void leave() noexcept {
    turn_lock::get_up(*std::exchange(seat_, nullptr));
    ring_seat_left(released_);
  }
  [[noreturn]] static void throw_interrupted();
  bool take_word(const deadline& until);
  bool revoke(std::uint32_t number, const deadline& until);
  void consider_bias() noexcept;
  void release_word() noexcept;

  turn_lock& lock_;
  bell& released_;
  claim me_;
  turn_lock::seat* seat_ = nullptr;  // sat on
  bool held_ = false;
};

}  // namespace kin::detail
