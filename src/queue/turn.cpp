// SPDX-License-Identifier: BSL-1.0
// turn: the word, and the bias given and revoked. See the header.
#include "queue/turn.hpp"

#include <cerrno>
#include <chrono>

#include <kin/core/error.hpp>

#include "os/memory_barrier.hpp"

namespace kin::detail {
namespace {

// A holder that is stopped, or not yet known to be dead, is waited for so long.
constexpr std::chrono::seconds turn_patience{1};

// About what a revocation costs, in locked instructions: a bias that is revoked at once doubles the price at most.
constexpr std::uint32_t takes_for_the_bias = 128;

deadline extended(const deadline& until) {
  if (until.is_never() || until.when() > deadline::clock::time_point::max() - turn_patience) return deadline::never();
  return deadline::at(until.when() + turn_patience);
}

}  // namespace

void turn::throw_interrupted() {
  throw os_error("use a queue in a signal handler that has interrupted its use", "lock", EDEADLK);
}

bool turn::take_word(const deadline& until) {
  const auto look = [&] {
    claim holder = lock_.word.load(std::memory_order_acquire);
    if (holder != 0 && (mutant("lock of the dead not taken over") || !family::is_dead(holder))) return false;
    return lock_.word.compare_exchange_strong(holder, me_, std::memory_order_acquire, std::memory_order_relaxed);
  };
  claim nobody = 0;
  held_ = lock_.word.compare_exchange_strong(nobody, me_, std::memory_order_acquire, std::memory_order_relaxed);
  if (!held_) {
    if (nobody == me_) throw_interrupted();
    for (const turn_lock::seat& s : lock_.seats)
      if (s.owner.load(std::memory_order_relaxed) == me_ && s.inside.load(std::memory_order_relaxed) != 0)
        throw_interrupted();
    held_ = wait_for(released_, family::light_publication(), extended(until), spinning::allowed, look);
    if (!held_) return false;
  }
  const std::uint32_t bias = lock_.bias.load(std::memory_order_acquire);
  if (bias != 0 && !mutant("bias not revoked") && !revoke(bias, until)) {
    release();
    return false;
  }
  return true;
}

// By who has the word. False: whoever has the bias stays inside for too long; the next one goes on revoking.
bool turn::revoke(std::uint32_t bias, const deadline& until) {
  const std::uint32_t number = bias & ~turn_lock::revoked;
  if (number - 1 < turn_lock::seat_count) {
    turn_lock::seat& theirs = lock_.seats[number - 1];
    const claim owner = theirs.owner.load(std::memory_order_relaxed);
    if (owner == me_) {
      if (theirs.inside.load(std::memory_order_relaxed) != 0) throw_interrupted();
    } else {
      lock_.bias.store(number | turn_lock::revoked, std::memory_order_release);
      if (!os::heavy_barrier())
        throw error(
            "kin: membarrier(2) is refused in this process, but not in the root of its family; allow it in both or in "
            "neither");
      const auto empty = [&] {
        return theirs.inside.load(std::memory_order_acquire) == 0 ||
               (family::is_dead(owner) && !mutant("seat of the dead not taken as empty"));
      };
      if (!mutant("seat not waited for") && !empty() &&
          !wait_for(released_, family::light_publication(), extended(until), spinning::allowed, empty))
        return false;
    }
  }
  lock_.bias.store(0, std::memory_order_relaxed);
  return true;
}

// By who has the word and is about to give it up: whether it is to have the bias from now on.
void turn::consider_bias() noexcept {
  if (lock_.bias.load(std::memory_order_relaxed) != 0) return;  // its revocation is not over
  if (lock_.last.load(std::memory_order_relaxed) != me_) {
    lock_.last.store(me_, std::memory_order_relaxed);
    lock_.streak.store(0, std::memory_order_relaxed);
    return;
  }
  const std::uint32_t streak = lock_.streak.load(std::memory_order_relaxed) + 1;
  lock_.streak.store(streak, std::memory_order_relaxed);
  if (streak < takes_for_the_bias || !family::light_publication()) return;
  lock_.streak.store(0, std::memory_order_relaxed);
  std::uint32_t number = 0;
  for (std::uint32_t i = 0; i < turn_lock::seat_count; ++i) {
    const claim owner = lock_.seats[i].owner.load(std::memory_order_relaxed);
    if (owner == me_) {
      number = i + 1;
      break;
    }
    if (number == 0 && (owner == 0 || family::is_dead(owner))) number = i + 1;
  }
  if (number == 0) return;  // four others have been here, and live
  turn_lock::seat& mine = lock_.seats[number - 1];
  if (mine.owner.load(std::memory_order_relaxed) != me_) {
    mine.inside.store(0, std::memory_order_relaxed);
    mine.owner.store(me_, std::memory_order_release);
  }
  lock_.bias.store(number, std::memory_order_release);
}

void turn::release_word() noexcept {
  consider_bias();
  if (family::light_publication()) {
    lock_.word.store(0, std::memory_order_release);
    std::atomic_signal_fence(std::memory_order_seq_cst);
  } else {
    lock_.word.exchange(0);
  }
  if (!mutant("turn not rung")) ring(released_, 1);
}

}  // namespace kin::detail
