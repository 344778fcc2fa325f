// SPDX-License-Identifier: BSL-1.0
// owned_lock: the lock in shared memory under mutex, recursive_mutex and the locks of values and arrays. One word: 0,
// or the claim of who holds it. Only the holder changes a word that is not 0, except recover(), from exactly a dead
// claim.
//
// A process may be killed between any two instructions here: before the swap it has nothing; after it, its claim says
// so and is dead; after unlock's store the lock is free, and the death itself rouses whom it should have woken.
#pragma once

#include <atomic>

#include <kin/core/deadline.hpp>

#include "memory/family.hpp"
#include "memory/mutant.hpp"
#include "memory/object_header.hpp"

namespace kin::detail {

struct owned_lock : object_header {
  std::atomic<claim> word;
  // The holder's alone. recursive_mutex: how often it has locked it. Else its claim once more: says "I hold the lock"
  // at once, where the word, just written by a locked instruction, is slow to read again. Written after the word is
  // taken and cleared before it is given up: so who finds its own claim holds the lock, and who finds anything else
  // looks at the word. A dead holder's is nobody else's.
  std::atomic<std::uint64_t> note;

  enum class outcome { locked, not_in_time, abandoned };

  bool try_take(claim me) noexcept {
    if (mutant("mutex: taken in two steps")) return word.load() == 0 && (word.store(me), true);
    claim free = 0;
    return word.compare_exchange_strong(free, me, std::memory_order_acquire, std::memory_order_relaxed);
  }
  outcome lock_slowly(claim me, deadline until);
  /// True: taken from a dead holder. Else nobody had it.
  bool recover_slowly(claim me);
  /// The same, for users: tells the log.
  void recover(claim me);
  [[nodiscard]] bool is_abandoned() const noexcept {
    const claim w = word.load(std::memory_order_acquire);
    return w != 0 && family::is_dead(w);
  }
  [[nodiscard]] bool is_held_by(claim me) const noexcept { return word.load(std::memory_order_relaxed) == me; }

  /// By its holder.
  void release() noexcept {
    if (mutant("mutex: rung before it is free")) ring(bell, 1);
    if (family::light_publication()) {
      // A sleeper has set the bell's bit and called heavy_barrier: either it sees this store, or we see its bit.
      word.store(0, std::memory_order_release);
      std::atomic_signal_fence(std::memory_order_seq_cst);
    } else {
      word.exchange(0);
    }
    if (!mutant("mutex: unlock not rung") && !mutant("mutex: rung before it is free")) ring(bell, 1);
  }
};

[[noreturn]] void throw_owner_died();
[[noreturn]] void throw_held_already();
[[noreturn]] void throw_not_held();

/// mutex::lock and its timed forms. What nearly all do needs no stack: what lies there from before a locked instruction
/// is had back only after it.
bool lock_owned(owned_lock& lock, const deadline& until);
void lock_owned_slowly(owned_lock& lock);
inline void lock_owned(owned_lock& lock) {
  const claim me = family::this_thread;
  if (me == 0 || !lock.try_take(me)) [[unlikely]]
    return lock_owned_slowly(lock);
  lock.note.store(me, std::memory_order_relaxed);
}
inline bool try_lock_owned(owned_lock& lock) {
  if (lock.try_take(family::self())) return true;
  if (!mutant("mutex: try_lock does not tell a death") && lock.is_abandoned()) throw_owner_died();
  return false;
}
void unlock_owned_slowly(owned_lock& lock);
inline void unlock_owned(owned_lock& lock) {
  const claim me = family::this_thread;
  if (me == 0 || lock.note.load(std::memory_order_relaxed) != me) [[unlikely]]
    return unlock_owned_slowly(lock);
  lock.note.store(mutant("mutex: note not cleared") ? me : 0, std::memory_order_relaxed);
  lock.release();
}

}  // namespace kin::detail
