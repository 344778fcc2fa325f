// SPDX-License-Identifier: BSL-1.0
// barrier: one state word, and beside it the claims of the group: who has arrived once. A party enters itself in the
// group before it arrives, so whoever dies having arrived is known by a dead claim there.
#include <kin/sync/barrier.hpp>

#include <algorithm>
#include <atomic>
#include <span>

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

// rounds 32 | resets 14 | broken 1 | arrived 17
struct state {
  static constexpr std::uint64_t one_round = std::uint64_t{1} << 32, one_reset = 1u << 18, broken_bit = 1u << 17,
                                 arrived_mask = broken_bit - 1, resets_mask = (one_round - 1) & ~(one_reset - 1);
  std::uint64_t word;
  [[nodiscard]] std::uint64_t round() const { return word >> 32; }
  [[nodiscard]] std::uint64_t resets() const { return word & resets_mask; }
  [[nodiscard]] bool broken() const { return (word & broken_bit) != 0; }
  [[nodiscard]] std::size_t arrived() const { return word & arrived_mask; }
  [[nodiscard]] std::uint64_t next_round() const { return (word & ~arrived_mask) + one_round; }
  [[nodiscard]] std::uint64_t after_reset() const {
    const std::uint64_t one = detail::mutant("barrier: reset not counted") ? 0 : one_reset;
    return (word & ~(one_round - 1)) | ((word + one) & resets_mask);
  }
};

struct meeting : detail::object_header {
  std::atomic<std::uint64_t> state;
  std::atomic<std::uint64_t> parties;
  std::atomic<claim>* group() noexcept { return reinterpret_cast<std::atomic<claim>*>(this + 1); }
};

meeting& meeting_of(const object_ref& ref) noexcept { return *static_cast<meeting*>(ref.get()); }

// What shared memory says of their number is believed only as far as the object goes.
std::span<std::atomic<claim>> group_of(const object_ref& ref) noexcept {
  meeting& m = meeting_of(ref);
  const std::uint64_t room = (ref.size() - sizeof(meeting)) / sizeof(claim);
  return {m.group(), static_cast<std::size_t>(std::min(room, m.parties.load(std::memory_order_relaxed)))};
}

std::size_t size_for(std::size_t parties) {
  if (parties == 0 || parties > barrier::most_parties)
    throw std::out_of_range("kin: a barrier is for 1 to 65536 parties");
  return sizeof(meeting) + parties * sizeof(claim);
}

bool has_dead(std::span<std::atomic<claim>> group) noexcept {
  return std::any_of(group.begin(), group.end(), [](auto& entry) {
    const claim c = entry.load(std::memory_order_acquire);
    return c != 0 && family::is_dead(c);
  });
}

// A newcomer takes the place of one who has left, then of a dead one (it replaces it), then of anybody: a group has no
// more than `parties` members.
void enter(std::span<std::atomic<claim>> group, claim me) noexcept {
  for (auto& entry : group)
    if (entry.load(std::memory_order_relaxed) == me) return;
  const auto take = [&](auto may_go) {
    for (auto& entry : group) {
      claim seen = entry.load(std::memory_order_relaxed);
      if (may_go(seen) && entry.compare_exchange_strong(seen, me)) return true;
    }
    return false;
  };
  if (!take([](claim c) { return c == 0; }) && !take([](claim c) { return family::is_dead(c); }))
    group[static_cast<std::size_t>(me ^ (me >> 16)) % group.size()].store(me);
}

void break_it(meeting& m) noexcept {
  m.state.fetch_or(state::broken_bit);
  if (!mutant("barrier: abort not rung")) detail::ring(m.bell, detail::all_sleepers);
}

// This process has no handle any more: it will not come again, and its end breaks nothing.
void leave(detail::object_header& header, std::size_t size) noexcept {
  auto& m = static_cast<meeting&>(header);
  if (family::this_thread == 0 || size < sizeof(meeting)) return;
  const std::size_t n =
      std::min<std::size_t>(m.parties.load(std::memory_order_relaxed), (size - sizeof(meeting)) / sizeof(claim));
  for (auto& entry : std::span(m.group(), n)) {
    claim seen = entry.load(std::memory_order_relaxed);
    if (seen != 0 && detail::process_of(seen) == detail::process_of(family::this_thread))
      entry.compare_exchange_strong(seen, 0);
  }
}

[[noreturn]] void throw_broken() {
  throw broken_barrier("kin: the barrier is broken: a party has died or given up, or it was aborted or reset");
}

}  // namespace

barrier::barrier(const object_ref& ref) noexcept : ref_(ref) { ref_.on_last_handle(&leave); }

barrier::barrier(count parties) : barrier(object_ref::make(object_kind::barrier, size_for(parties))) {
  meeting_of(ref_).parties.store(parties);
}

std::size_t barrier::arrive(deadline until) const {
  meeting& m = meeting_of(ref_);
  const auto group = group_of(ref_);
  const claim me = family::self();
  if (group.empty()) throw_broken();  // somebody has scribbled over it
  const bool too_late = mutant("barrier: entered after the arrival");
  const bool enters_once = too_late || mutant("barrier: not entered again after a reset");
  if (enters_once && !too_late) enter(group, me);
  state s{m.state.load()};
  for (;;) {
    // Again each time: a reset empties the group, and then changes the state that was seen before.
    if (!enters_once) enter(group, me);
    if (s.broken()) throw_broken();
    if (has_dead(group) && !mutant("barrier: death not seen by who comes")) {
      // Only what was seen: it may just have been reset.
      if (mutant("barrier: breaks what was reset")) break_it(m), throw_broken();
      if (!m.state.compare_exchange_strong(s.word, s.word | state::broken_bit)) continue;
      detail::ring(m.bell, detail::all_sleepers);
      throw_broken();
    }
    const bool last = s.arrived() + 1 >= group.size();
    if (m.state.compare_exchange_weak(s.word, last ? s.next_round() : s.word + 1)) {
      if (!last) break;
      if (!mutant("barrier: last arrival not rung")) detail::ring(m.bell, detail::all_sleepers);
      return s.arrived();
    }
  }
  if (too_late) enter(group, me);
  bool good = false;
  const auto decided = [&] {
    const state now{m.state.load()};
    good = now.resets() == s.resets() && now.round() != s.round();
    if (good || now.resets() != s.resets() || now.broken()) return true;
    if (!has_dead(group) || mutant("barrier: death not seen by who waits")) return false;
    // Only this very round: it may just have been completed.
    std::uint64_t seen = now.word;
    if (m.state.compare_exchange_strong(seen, seen | state::broken_bit)) detail::ring(m.bell, detail::all_sleepers);
    return false;  // look again
  };
  for (bool timed_out = false; !decided();) {
    if (timed_out) {
      std::uint64_t seen = m.state.load();
      if (mutant("barrier: a later round is broken")) m.state.fetch_or(state::broken_bit);
      if (state{seen}.round() == s.round() && state{seen}.resets() == s.resets() &&
          m.state.compare_exchange_strong(seen, seen | state::broken_bit) && !mutant("barrier: giving up not rung"))
        detail::ring(m.bell, detail::all_sleepers);
      continue;
    }
    timed_out = !detail::wait_for(m.bell, family::light_publication(), until, detail::spinning::allowed, decided);
  }
  if (!good) throw_broken();
  return s.arrived();
}

void barrier::abort() const {
  (void)family::self();
  break_it(meeting_of(ref_));
}

void barrier::reset() const {
  (void)family::self();
  meeting& m = meeting_of(ref_);
  for (auto& entry : group_of(ref_)) entry.store(0);
  state s{m.state.load()};
  while (!m.state.compare_exchange_weak(s.word, s.after_reset())) {
  }
  if (mutant("barrier: reset not rung")) return;
  detail::ring(m.bell, detail::all_sleepers);
}

std::size_t barrier::parties() const noexcept { return group_of(ref_).size(); }
std::size_t barrier::waiting() const noexcept {
  const state s{meeting_of(ref_).state.load()};
  return s.broken() ? 0 : s.arrived();
}
bool barrier::broken() const noexcept { return state{meeting_of(ref_).state.load()}.broken(); }

void codec<barrier>::encode(writer& to, const barrier& value) { value.ref_.encode(to); }
barrier codec<barrier>::decode(reader& from) {
  return barrier(object_ref::decode(from, object_kind::barrier, size_for(1)));
}

}  // namespace kin
