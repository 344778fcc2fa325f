// SPDX-License-Identifier: BSL-1.0
// owned_lock: see the header.
#include "sync/owned_lock.hpp"

#include <string>
#include <system_error>

#include <kin/core/error.hpp>
#include <kin/core/log.hpp>

#include "os/process_id.hpp"

namespace kin::detail {

owned_lock::outcome owned_lock::lock_slowly(claim me, deadline until) {
  if (is_held_by(me)) {
    if (until.is_never()) throw_held_already();
    // With a deadline it is the caller's own matter, as with std::timed_mutex.
  }
  outcome how = outcome::locked;
  const bool decided = wait_for(bell, family::light_publication(), until, spinning::allowed, [&] {
    const claim w = word.load(std::memory_order_acquire);
    if (w == 0) return try_take(me);
    if (!family::is_dead(w) || mutant("mutex: death not seen by who waits")) return false;
    if (mutant("mutex: abandoned one taken as free")) return word.store(me), true;
    how = outcome::abandoned;
    return true;
  });
  if (mutant("mutex: held after its time") && !decided) return outcome::locked;
  return decided ? how : outcome::not_in_time;
}

bool owned_lock::recover_slowly(claim me) {
  if (is_held_by(me)) throw_held_already();
  bool was_held = false;
  wait_for(bell, family::light_publication(), deadline::never(), spinning::allowed, [&] {
    claim w = word.load(std::memory_order_acquire);
    if (w != 0 && (!family::is_dead(w) || mutant("mutex: death not seen by recover()"))) return false;
    was_held = w != 0;
    return word.compare_exchange_strong(w, me, std::memory_order_acquire, std::memory_order_relaxed);
  });
  return was_held;
}

void owned_lock::recover(claim me) {
  if (recover_slowly(me) && log_is_wanted())
    log(log_record::severity::info,
        "kin: process " + std::to_string(os::own_pid()) + " has recovered a mutex whose holder had died");
}

bool lock_owned(owned_lock& lock, const deadline& until) {
  const claim me = family::self();
  if (mutant("mutex: note written before it is taken")) lock.note.store(me, std::memory_order_relaxed);
  if (lock.try_take(me)) {
    lock.note.store(me, std::memory_order_relaxed);
    return true;
  }
  switch (lock.lock_slowly(me, until)) {
    case owned_lock::outcome::locked:
      return true;
    case owned_lock::outcome::not_in_time:
      return false;
    case owned_lock::outcome::abandoned:
      break;
  }
  throw_owner_died();
}
void lock_owned_slowly(owned_lock& lock) { (void)lock_owned(lock, deadline::never()); }

// Without a note, or by a thread that has no number: it has never locked anything, or its destructors run and it has
// given the number up, which it gets back.
void unlock_owned_slowly(owned_lock& lock) {
  const claim me = family::self();
  if (!lock.is_held_by(me)) throw_not_held();
  if (lock.note.load(std::memory_order_relaxed) == me) lock.note.store(0, std::memory_order_relaxed);
  lock.release();
}

void throw_owner_died() {
  throw owner_died(
      "kin: a process died while it held this mutex, so what it guards may be half done; recover() accepts that and "
      "makes the mutex usable again");
}
void throw_held_already() {
  throw std::system_error(std::make_error_code(std::errc::resource_deadlock_would_occur),
                          "kin: this thread holds the lock already");
}
void throw_not_held() {
  throw std::system_error(std::make_error_code(std::errc::operation_not_permitted),
                          "kin: this thread does not hold the lock");
}

}  // namespace kin::detail
