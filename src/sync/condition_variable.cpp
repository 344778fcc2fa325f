// SPDX-License-Identifier: BSL-1.0
// condition_variable: a count of notifications. Who waits, waits for the count to move on from what it was while the
// lock was still held. There is no list of waiters, so a dead one leaves nothing; a notifier that dies between counting
// and ringing has counted, and its death rouses the waiters.
#include <kin/sync/condition_variable.hpp>

#include <atomic>

#include <kin/wire/codec.hpp>

#include "memory/family.hpp"
#include "memory/mutant.hpp"
#include "memory/object_header.hpp"

namespace kin {

using detail::mutant;
using detail::object_kind;
using detail::object_ref;

namespace {

struct notifications : detail::object_header {
  std::atomic<std::uint64_t> count;
};
notifications& notifications_of(const object_ref& ref) noexcept { return *static_cast<notifications*>(ref.get()); }

void notify(notifications& n, int most) {
  (void)detail::family::self();
  const bool too_early = mutant("condition_variable: rung before the count");
  if (too_early) detail::ring(n.bell, most);
  n.count.fetch_add(1);
  if (too_early || mutant("condition_variable: notification not rung")) return;
  detail::ring(n.bell, mutant("condition_variable: notify_all rings for one") ? 1 : most);
}

}  // namespace

condition_variable::condition_variable()
    : ref_(object_ref::make(object_kind::condition_variable, sizeof(notifications))) {}

void condition_variable::notify_one() const { notify(notifications_of(ref_), 1); }
void condition_variable::notify_all() const { notify(notifications_of(ref_), detail::all_sleepers); }

template <class Mutex>
bool condition_variable::wait_notified(std::unique_lock<Mutex>& lock, deadline until) const {
  notifications& n = notifications_of(ref_);
  const bool light = (detail::family::self(), detail::family::light_publication());
  std::uint64_t before = n.count.load();
  // Whoever has notified so far may not have rung yet, and wakes those who sleep in the order in which they came (the
  // kernel's, among threads of no real-time priority). So nobody for whom that counts may go to sleep behind this one,
  // for whom it does not (models/condition_variable.pml).
  if (!mutant("condition_variable: newcomer goes before others")) detail::hold_up(n.bell);
  lock.unlock();
  if (mutant("condition_variable: begins to wait after the unlock")) before = n.count.load();
  bool notified = false;
  try {
    // No spinning: notify_one would be seen by every spinner.
    const std::atomic<std::uint64_t>& count = n.count;
    notified =
        detail::wait_for(n.bell, light, until, detail::spinning::useless, [&] { return count.load() != before; });
  } catch (...) {
    lock.lock();
    throw;
  }
  if (!mutant("condition_variable: lock not taken again")) lock.lock();
  return notified;
}

template KIN_EXPORT bool condition_variable::wait_notified(std::unique_lock<mutex>&, deadline) const;
template KIN_EXPORT bool condition_variable::wait_notified(std::unique_lock<const mutex>&, deadline) const;

void codec<condition_variable>::encode(writer& to, const condition_variable& value) { value.ref_.encode(to); }
condition_variable codec<condition_variable>::decode(reader& from) {
  return condition_variable(object_ref::decode(from, object_kind::condition_variable, sizeof(notifications)));
}

}  // namespace kin
