// SPDX-License-Identifier: BSL-1.0
// event: one word, how often it was set << 1 | whether it is. A waiter goes when it is set or has been set since.
#include <kin/sync/event.hpp>

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
struct flag : detail::object_header {
  std::atomic<std::uint64_t> word;
};
flag& flag_of(const object_ref& ref) noexcept { return *static_cast<flag*>(ref.get()); }
}  // namespace

event::event() : ref_(object_ref::make(object_kind::event, sizeof(flag))) {}

void event::set() const {
  if (!mutant("event: set by no member")) (void)detail::family::self();
  flag& f = flag_of(ref_);
  if (mutant("event: rung before it is set")) detail::ring(f.bell, detail::all_sleepers);
  std::uint64_t seen = f.word.load();
  if (mutant("event: rung only by who sets it") && (seen & 1) != 0) return;
  while ((seen & 1) == 0)
    if (f.word.compare_exchange_weak(seen, (mutant("event: not counted") ? seen : seen + 2) | 1)) break;
  if (mutant("event: set not rung") || mutant("event: rung before it is set")) return;
  // Even if it was set: who has set it may have died, or sleeps, before it rang.
  detail::ring(f.bell, mutant("event: rings for one") ? 1 : detail::all_sleepers);
}

void event::clear() const noexcept { flag_of(ref_).word.fetch_and(~std::uint64_t{1}); }

bool event::is_set() const noexcept { return (flag_of(ref_).word.load(std::memory_order_acquire) & 1) != 0; }

bool event::set_until(deadline until) const {
  flag& f = flag_of(ref_);
  const std::uint64_t before = f.word.load(std::memory_order_acquire);
  if ((before & 1) != 0) return true;
  const bool light = (detail::family::self(), detail::family::light_publication());
  return detail::wait_for(f.bell, light, until, detail::spinning::allowed, [&] {
    const std::uint64_t now = f.word.load(std::memory_order_acquire);
    return (now & 1) != 0 || (now >> 1 != before >> 1 && !mutant("event: setting since forgotten"));
  });
}

void codec<event>::encode(writer& to, const event& value) { value.ref_.encode(to); }
event codec<event>::decode(reader& from) { return event(object_ref::decode(from, object_kind::event, sizeof(flag))); }

}  // namespace kin
