// SPDX-License-Identifier: BSL-1.0
// mutex, recursive_mutex: see the header and sync/owned_lock.hpp.
#include <kin/sync/mutex.hpp>

#include <kin/wire/codec.hpp>

#include "memory/mutant.hpp"
#include "sync/owned_lock.hpp"

namespace kin {

using detail::mutant;
using detail::object_kind;
using detail::object_ref;
using detail::owned_lock;

namespace {
owned_lock& lock_of(const object_ref& ref) noexcept { return *static_cast<owned_lock*>(ref.get()); }

bool lock_again(owned_lock& lock, detail::claim me) noexcept {
  if (!lock.is_held_by(me)) return false;
  if (mutant("recursive_mutex: not counted")) return true;
  lock.note.store(lock.note.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return true;
}
void lock_first(owned_lock& lock) noexcept {
  if (mutant("recursive_mutex: a dead one's count kept")) return;
  lock.note.store(1, std::memory_order_relaxed);
}
}  // namespace

mutex::mutex() : ref_(object_ref::make(object_kind::mutex, sizeof(owned_lock))) {}

void mutex::lock() const { detail::lock_owned(lock_of(ref_)); }
bool mutex::try_lock() const { return detail::try_lock_owned(lock_of(ref_)); }
bool mutex::lock_until(deadline until) const { return detail::lock_owned(lock_of(ref_), until); }
void mutex::unlock() const { detail::unlock_owned(lock_of(ref_)); }

std::unique_lock<mutex> mutex::recover() const& {
  lock_of(ref_).recover(detail::family::self());
  // The standard guard holds a reference; it must be to a handle that outlives it, which is this one.
  return {const_cast<mutex&>(*this), std::adopt_lock};
}

void codec<mutex>::encode(writer& to, const mutex& value) { value.ref_.encode(to); }
mutex codec<mutex>::decode(reader& from) {
  return mutex(object_ref::decode(from, object_kind::mutex, sizeof(owned_lock)));
}

recursive_mutex::recursive_mutex() : ref_(object_ref::make(object_kind::recursive_mutex, sizeof(owned_lock))) {}

void recursive_mutex::lock() const { (void)lock_until(deadline::never()); }

bool recursive_mutex::try_lock() const {
  owned_lock& lock = lock_of(ref_);
  if (lock_again(lock, detail::family::self())) return true;
  if (!detail::try_lock_owned(lock)) return false;
  lock_first(lock);
  return true;
}

bool recursive_mutex::lock_until(deadline until) const {
  owned_lock& lock = lock_of(ref_);
  if (lock_again(lock, detail::family::self())) return true;
  if (!detail::lock_owned(lock, until)) return false;
  lock_first(lock);
  return true;
}

void recursive_mutex::unlock() const {
  owned_lock& lock = lock_of(ref_);
  if (!lock.is_held_by(detail::family::self())) detail::throw_not_held();
  const std::uint64_t depth = lock.note.load(std::memory_order_relaxed);
  if (mutant("recursive_mutex: freed before it is counted") && depth == 1) lock.release();
  lock.note.store(depth - 1, std::memory_order_relaxed);
  if (mutant("recursive_mutex: freed before it is counted")) return;
  if (depth == 1 || mutant("recursive_mutex: freed by the first unlock")) lock.release();
}

std::unique_lock<recursive_mutex> recursive_mutex::recover() const& {
  owned_lock& lock = lock_of(ref_);
  if (!lock_again(lock, detail::family::self())) {
    lock.recover(detail::family::self());
    lock_first(lock);
  }
  return {const_cast<recursive_mutex&>(*this), std::adopt_lock};
}

void codec<recursive_mutex>::encode(writer& to, const recursive_mutex& value) { value.ref_.encode(to); }
recursive_mutex codec<recursive_mutex>::decode(reader& from) {
  return recursive_mutex(object_ref::decode(from, object_kind::recursive_mutex, sizeof(owned_lock)));
}

}  // namespace kin
