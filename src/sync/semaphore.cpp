// SPDX-License-Identifier: BSL-1.0
// counting_semaphore: one count. bounded_semaphore: one word a permit, 0 or the claim of who has it, so that acquiring
// is one swap and the permits of the dead are found by whoever looks for one.
#include <kin/sync/semaphore.hpp>

#include <algorithm>
#include <atomic>
#include <span>
#include <stdexcept>

#include <kin/wire/codec.hpp>

#include "memory/family.hpp"
#include "memory/mutant.hpp"
#include "memory/object_header.hpp"

namespace kin {

using detail::claim;
using detail::mutant;
using detail::object_kind;
using detail::object_ref;
namespace family = detail::family;

namespace {

struct counter : detail::object_header {
  std::atomic<std::uint64_t> permits;

  bool take() noexcept {
    std::uint64_t n = permits.load(std::memory_order_relaxed);
    if (mutant("counting_semaphore: taken in two steps")) return n != 0 && (permits.store(n - 1), true);
    while (n != 0)
      if (permits.compare_exchange_weak(n, n - 1, std::memory_order_acquire, std::memory_order_relaxed)) return true;
    return false;
  }
};

struct permits : detail::object_header {
  using word = std::atomic<claim>;
  std::atomic<std::uint64_t> number;
  word* words() noexcept { return reinterpret_cast<word*>(this + 1); }
};

counter& counter_of(const object_ref& ref) noexcept { return *static_cast<counter*>(ref.get()); }

// What shared memory says of their number is believed only as far as the object goes.
std::span<permits::word> permits_of(const object_ref& ref) noexcept {
  auto& p = *static_cast<permits*>(ref.get());
  const std::uint64_t room = (ref.size() - sizeof(permits)) / sizeof(permits::word);
  return {p.words(), static_cast<std::size_t>(std::min(room, p.number.load(std::memory_order_relaxed)))};
}

bool is_free(claim w) noexcept {
  return w == 0 || (family::is_dead(w) && !mutant("bounded_semaphore: a dead one's permit not seen"));
}

bool take_permit(std::span<permits::word> all, claim me) noexcept {
  // Threads begin at different places, so that they do not all try for the same one.
  const std::size_t first = all.empty() ? 0 : static_cast<std::size_t>(me ^ (me >> 16)) % all.size();
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto& w = all[first + i < all.size() ? first + i : first + i - all.size()];
    claim seen = w.load(std::memory_order_relaxed);
    if (mutant("bounded_semaphore: taken in two steps") && is_free(seen)) return w.store(me), true;
    if (is_free(seen) && w.compare_exchange_strong(seen, me, std::memory_order_acquire, std::memory_order_relaxed))
      return true;
  }
  return false;
}

template <class Mine>
bool give_back_one(std::span<permits::word> all, Mine is_mine) noexcept {
  for (auto& w : all) {
    claim seen = w.load(std::memory_order_relaxed);
    if (!is_free(seen) && is_mine(seen) && w.compare_exchange_strong(seen, 0)) return true;
  }
  return false;
}

std::size_t free_permits(std::span<permits::word> all) noexcept {
  std::size_t n = 0;
  for (auto& w : all) n += is_free(w.load(std::memory_order_relaxed)) ? 1 : 0;
  return n;
}

}  // namespace

counting_semaphore::counting_semaphore(count n)
    : ref_(object_ref::make(object_kind::counting_semaphore, sizeof(counter))) {
  if (n > max()) throw std::out_of_range("kin: a semaphore of so many permits");
  counter_of(ref_).permits.store(n);
}

bool counting_semaphore::try_acquire() const { return counter_of(ref_).take(); }

bool counting_semaphore::acquire_until(deadline until) const {
  counter& c = counter_of(ref_);
  if (c.take()) return true;
  (void)family::self();
  return detail::wait_for(c.bell, family::light_publication(), until, detail::spinning::allowed,
                          [&] { return c.take(); });
}

void counting_semaphore::release(count n) const {
  if (n == 0) return;
  if (!mutant("counting_semaphore: released by no member")) (void)family::self();
  counter& c = counter_of(ref_);
  if (mutant("counting_semaphore: rung before the count")) detail::ring(c.bell, 1);
  std::uint64_t now = c.permits.load(std::memory_order_relaxed);
  do {
    if (n > max() || now > max() - n) throw std::logic_error("kin: a semaphore released too many times");
  } while (!c.permits.compare_exchange_weak(now, now + n));
  if (mutant("counting_semaphore: release not rung") || mutant("counting_semaphore: rung before the count")) return;
  if (mutant("counting_semaphore: rung for one of many")) return detail::ring(c.bell, 1);
  detail::ring(c.bell, n < std::size_t{detail::all_sleepers} ? static_cast<int>(std::size_t{n}) : detail::all_sleepers);
}

std::size_t counting_semaphore::value() const noexcept { return counter_of(ref_).permits.load(); }

void codec<counting_semaphore>::encode(writer& to, const counting_semaphore& value) { value.ref_.encode(to); }
counting_semaphore codec<counting_semaphore>::decode(reader& from) {
  return counting_semaphore(object_ref::decode(from, object_kind::counting_semaphore, sizeof(counter)));
}

namespace {
std::size_t semaphore_size(std::size_t n) {
  if (n > bounded_semaphore::most_permits)
    throw std::out_of_range("kin: a bounded_semaphore of more than 65536 permits");
  return sizeof(permits) + n * sizeof(permits::word);
}
}  // namespace

bounded_semaphore::bounded_semaphore(count n)
    : ref_(object_ref::make(object_kind::bounded_semaphore, semaphore_size(n))) {
  static_cast<permits*>(ref_.get())->number.store(n);
}

bool bounded_semaphore::try_acquire() const { return take_permit(permits_of(ref_), family::self()); }

bool bounded_semaphore::acquire_until(deadline until) const {
  const claim me = family::self();
  const auto all = permits_of(ref_);
  if (take_permit(all, me)) return true;
  return detail::wait_for(ref_.get()->bell, family::light_publication(), until, detail::spinning::allowed,
                          [&] { return take_permit(all, me); });
}

void bounded_semaphore::release(count n) const {
  const auto all = permits_of(ref_);
  const claim me = family::self();
  if (n > all.size() - free_permits(all)) throw std::logic_error("kin: a bounded_semaphore released too many times");
  for (std::size_t i = 0; i < n; ++i) {
    if (mutant("bounded_semaphore: rung before it is free")) detail::ring(ref_.get()->bell, 1);
    // This thread's own first, then this process's, then anybody's: handing over is legal.
    const bool anybodys = mutant("bounded_semaphore: another's given back");
    if ((anybodys || !give_back_one(all, [&](claim w) { return w == me; })) &&
        (anybodys || !give_back_one(all, [&](claim w) { return detail::process_of(w) == detail::process_of(me); })) &&
        !give_back_one(all, [](claim) { return true; }))
      throw std::logic_error("kin: a bounded_semaphore released too many times");
    if (mutant("bounded_semaphore: release not rung") || mutant("bounded_semaphore: rung before it is free")) continue;
    detail::ring(ref_.get()->bell, 1);
  }
}

std::size_t bounded_semaphore::value() const noexcept { return free_permits(permits_of(ref_)); }

void codec<bounded_semaphore>::encode(writer& to, const bounded_semaphore& value) { value.ref_.encode(to); }
bounded_semaphore codec<bounded_semaphore>::decode(reader& from) {
  return bounded_semaphore(object_ref::decode(from, object_kind::bounded_semaphore, semaphore_size(0)));
}

}  // namespace kin
