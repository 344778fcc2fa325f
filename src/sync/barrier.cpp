// SPDX-License-Identifier: BSL-1.0
// barrier: one state word, and beside it the claims of the group: who has arrived once. A party enters itself in the
// group before it arrives, so whoever dies having arrived is known by a dead claim there.
#include <kin/sync/barrier.hpp>

#include <algorithm>
#include <atomic>
#include <span>
#include <stdexcept>

#include <kin/core/export.hpp>
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

// rounds 32 | fates of the last 14 rounds | broken 1 | arrived 17
//
// A round ends when all have come, or by a reset: then whoever had arrived is sent away. Its fate is a bit, so that who
// wakes late still knows; who wakes later than that is taken for sent away.
struct round_state {
  static constexpr int fates = 14, fates_at = 18;
  static constexpr std::uint64_t one_round = std::uint64_t{1} << 32, broken_bit = 1u << 17,
                                 arrived_mask = broken_bit - 1, fates_mask = (one_round - 1) & ~(2 * broken_bit - 1);
  enum class fate : unsigned char { open, met, reset };
  std::uint64_t word;
  [[nodiscard]] std::uint32_t round() const { return static_cast<std::uint32_t>(word >> 32); }
  [[nodiscard]] bool broken() const { return (word & broken_bit) != 0; }
  [[nodiscard]] std::size_t arrived() const { return word & arrived_mask; }
  [[nodiscard]] std::uint64_t next_round() const { return ended(false); }
  [[nodiscard]] std::uint64_t after_reset() const {
    return detail::mutant("barrier: reset not counted") ? word & ~(broken_bit | arrived_mask) : ended(true);
  }
  [[nodiscard]] fate of(std::uint32_t round) const {
    const std::uint32_t since = this->round() - round;  // rounds, wherever they have wrapped
    if (since == 0) return fate::open;
    if (detail::mutant("barrier: fates not kept")) return since > 1 ? fate::reset : fate::met;
    return since > fates || (word >> (fates_at + since - 1) & 1) != 0 ? fate::reset : fate::met;
  }

 private:
  [[nodiscard]] std::uint64_t ended(bool by_reset) const {
    return ((word & ~(one_round - 1)) + one_round) | (((word & fates_mask) << 1) & fates_mask) |
           std::uint64_t{by_reset} << fates_at;
  }
};

struct meeting : detail::object_header {
  std::atomic<std::uint64_t> state;
  std::atomic<std::uint64_t> parties;
};

meeting& meeting_of(const object_ref& ref) noexcept { return *static_cast<meeting*>(ref.get()); }

// The threads that have arrived once, behind the meeting: as many as there is room for, at least one for each party.
// And beside each, for how many parties: round 16 | arrivals in it 16, written by that thread alone. A hint: a reset
// may give its place to another.
struct group {
  std::span<std::atomic<claim>> who;
  std::span<std::atomic<std::uint32_t>> arrivals;
  static constexpr std::size_t size_of_one = sizeof(claim) + sizeof(std::uint32_t);
};
group group_of(meeting& m, std::size_t size) noexcept {
  const std::size_t n = (size - sizeof(meeting)) / group::size_of_one;
  auto* const claims = reinterpret_cast<std::atomic<claim>*>(&m + 1);
  return {{claims, n}, {reinterpret_cast<std::atomic<std::uint32_t>*>(claims + n), n}};
}
group group_of(const object_ref& ref) noexcept { return group_of(meeting_of(ref), ref.size()); }

// What shared memory says of their number is believed only as far as the object goes.
std::size_t parties_of(meeting& m, const group& all) noexcept {
  return static_cast<std::size_t>(std::min<std::uint64_t>(all.who.size(), m.parties.load()));
}

std::size_t barrier_size(std::size_t parties) {
  if (parties == 0 || parties > barrier::most_parties)
    throw std::out_of_range("kin: a barrier is for 1 to 65536 parties");
  return sizeof(meeting) + parties * group::size_of_one;
}

bool has_dead(const group& all) noexcept {
  return std::any_of(all.who.begin(), all.who.end(), [](const std::atomic<claim>& entry) {
    const claim c = entry.load(std::memory_order_acquire);
    return c != 0 && family::is_dead(c);
  });
}

// Its place. A newcomer takes the place of one who has left, then of a dead one (it replaces it), then of anybody.
std::size_t enter(const group& all, claim me) noexcept {
  const std::size_t n = all.who.size();
  KIN_ASSERT(n > 0);  // there is no barrier without room for one, nor is a smaller one decoded
  for (std::size_t i = 0; i < n; ++i)
    if (all.who[i].load(std::memory_order_relaxed) == me) return i;
  const auto take = [&](auto may_go) {
    for (std::size_t i = 0; i < n; ++i) {
      claim seen = all.who[i].load(std::memory_order_relaxed);
      if (may_go(seen) && all.who[i].compare_exchange_strong(seen, me)) return i;
    }
    return n;
  };
  std::size_t place = take([](claim c) { return c == 0; });
  if (place == n) place = take([](claim c) { return family::is_dead(c); });
  if (place == n) {
    place = static_cast<std::size_t>(me ^ (me >> 16)) % n;
    all.who[place].store(me);
  }
  all.arrivals[place].store(0, std::memory_order_relaxed);
  return place;
}

void note_arrivals(std::atomic<std::uint32_t>& mine, std::uint32_t round, std::size_t n) noexcept {
  const std::uint32_t known = mine.load(std::memory_order_relaxed), in_round = round << 16;
  const std::size_t all = (known & 0xffff'0000) == in_round ? n + (known & 0xffff) : n;
  mine.store(in_round | static_cast<std::uint32_t>(std::min<std::size_t>(all, 0xffff)), std::memory_order_relaxed);
}

// One of the parties that a thread stands for has dropped out; it stands for as many as it arrived for in its last
// round, or one more if that is the open one. False: it was the only one.
bool stands_for_more(std::atomic<std::uint32_t>& mine, std::uint32_t round) noexcept {
  const std::uint32_t known = mine.load(std::memory_order_relaxed), arrivals = known & 0xffff;
  if (mutant("barrier: dropped with the only one")) return false;
  if (arrivals != 0 && (known & 0xffff'0000) == round << 16) return true;
  if (arrivals < 2) return false;
  mine.store(known - 1, std::memory_order_relaxed);
  return true;
}

void break_it(meeting& m) noexcept {
  m.state.fetch_or(round_state::broken_bit);
  if (!mutant("barrier: abort not rung")) detail::ring(m.bell, detail::all_sleepers);
}

void leave_group(const group& all, auto is_mine) noexcept {
  for (auto& entry : all.who) {
    claim seen = entry.load(std::memory_order_relaxed);
    if (seen != 0 && is_mine(seen)) entry.compare_exchange_strong(seen, 0);
  }
}

// This process has no handle any more: it will not come again, and its end breaks nothing.
void leave(detail::object_header& header, std::size_t size) noexcept {
  const claim here = family::own_process();
  if (here == 0 || size < sizeof(meeting)) return;
  leave_group(group_of(static_cast<meeting&>(header), size), [here](claim c) { return detail::process_of(c) == here; });
}

// Whoever drops out may be the one that all others waited for; and may be killed before it has seen that.
void complete_if_full(meeting& m, const group& all) noexcept {
  round_state s{m.state.load()};
  while (!s.broken() && s.arrived() != 0 && s.arrived() >= parties_of(m, all))
    if (m.state.compare_exchange_weak(s.word, s.next_round())) return (void)detail::ring(m.bell, detail::all_sleepers);
}

[[noreturn]] void throw_broken() {
  throw broken_barrier("kin: the barrier is broken: a party has died or given up, or it was aborted or reset");
}

}  // namespace

barrier::barrier(const object_ref& ref) noexcept : ref_(ref) { ref_.on_last_handle(&leave); }

barrier::barrier(count parties) : barrier(object_ref::make(object_kind::barrier, barrier_size(parties))) {
  meeting_of(ref_).parties.store(parties);
}

namespace {

// The state in which `n` have arrived, the last of which may have completed the round.
struct arrival {
  round_state at;
  bool is_last;
};

arrival arrive_at(const object_ref& ref, std::size_t n) {
  meeting& m = meeting_of(ref);
  const group all = group_of(ref);
  const claim me = family::self();
  const bool too_late = mutant("barrier: entered after the arrival");
  const bool enters_once = too_late || mutant("barrier: not entered again after a reset");
  std::size_t mine = enters_once && !too_late ? enter(all, me) : 0;
  round_state s{m.state.load()};
  for (;;) {
    // Again each time: a reset empties the group, and then changes the state that was seen before.
    if (!enters_once) mine = enter(all, me);
    const std::size_t parties = parties_of(m, all);
    if (s.broken() || parties == 0) throw_broken();  // 0: all have dropped out, or somebody has scribbled over it
    if (has_dead(all) && !mutant("barrier: death not seen by who comes")) {
      // Only what was seen: it may just have been reset.
      if (mutant("barrier: breaks what was reset")) break_it(m), throw_broken();
      if (!m.state.compare_exchange_strong(s.word, s.word | round_state::broken_bit)) continue;
      detail::ring(m.bell, detail::all_sleepers);
      throw_broken();
    }
    const std::size_t to_come = parties - std::min(parties, s.arrived());
    const bool last = n >= to_come;
    if (n > 1 && n > to_come) throw std::invalid_argument("kin: more arrivals than this barrier still waits for");
    if (m.state.compare_exchange_weak(s.word, last ? s.next_round() : s.word + n)) {
      if (last && !mutant("barrier: last arrival not rung")) detail::ring(m.bell, detail::all_sleepers);
      // One who drops out meanwhile either sees this arrival, or is seen here.
      if (!last && !mutant("barrier: drop not seen by who comes")) complete_if_full(m, all);
      if (too_late) mine = enter(all, me);
      note_arrivals(all.arrivals[mine], s.round(), n);
      return {s, last};
    }
  }
}

}  // namespace

std::size_t barrier::meet(deadline until) const {
  const arrival mine = arrive_at(ref_, 1);
  if (!mine.is_last) await(mine.at.word, until);
  return mine.at.arrived();
}

barrier::arrival_token barrier::arrive(count parties) const {
  if (parties == 0) throw std::invalid_argument("kin: an arrival is one of at least one party");
  return arrival_token(arrive_at(ref_, parties).at.word);
}

void barrier::wait(arrival_token&& arrival) const { await(arrival.state_, deadline::never()); }

void barrier::await(std::uint64_t arrived_at, deadline until) const {
  meeting& m = meeting_of(ref_);
  const group all = group_of(ref_);
  const round_state s{arrived_at};
  round_state now{};
  const auto decided = [&] {
    if (!mutant("barrier: death of who drops not seen")) complete_if_full(m, all);
    now.word = m.state.load();
    if (now.of(s.round()) != round_state::fate::open || now.broken()) return true;
    if (!has_dead(all) || mutant("barrier: death not seen by who waits")) return false;
    // Only this very round: it may just have been completed.
    std::uint64_t seen = now.word;
    if (m.state.compare_exchange_strong(seen, seen | round_state::broken_bit))
      detail::ring(m.bell, detail::all_sleepers);
    return false;  // look again
  };
  for (bool timed_out = false; !decided();) {
    if (timed_out) {
      std::uint64_t seen = m.state.load();
      if (mutant("barrier: a later round is broken")) m.state.fetch_or(round_state::broken_bit);
      if (round_state{seen}.round() == s.round() &&
          m.state.compare_exchange_strong(seen, seen | round_state::broken_bit) &&
          !mutant("barrier: giving up not rung"))
        detail::ring(m.bell, detail::all_sleepers);
      continue;
    }
    timed_out = !detail::wait_for(m.bell, family::light_publication(), until, detail::spinning::allowed, decided);
  }
  if (now.of(s.round()) != round_state::fate::met) throw_broken();
}

// To arrive and not to be waited for any more is the same as never to have been waited for.
void barrier::arrive_and_drop() const {
  meeting& m = meeting_of(ref_);
  const group all = group_of(ref_);
  const claim me = family::self();
  const std::size_t mine = enter(all, me);
  const round_state now{m.state.load()};
  if (now.broken()) throw_broken();
  std::uint64_t expected = m.parties.load();
  do
    if (expected == 0) throw_broken();
  while (!m.parties.compare_exchange_weak(expected, expected - 1));
  if (!mutant("barrier: drop completes nothing")) complete_if_full(m, all);
  if (!stands_for_more(all.arrivals[mine], now.round())) leave_group(all, [me](claim c) { return c == me; });
}

void barrier::abort() const {
  (void)family::self();
  break_it(meeting_of(ref_));
}

void barrier::reset() const {
  (void)family::self();
  meeting& m = meeting_of(ref_);
  for (auto& entry : group_of(ref_).who) entry.store(0);
  round_state s{m.state.load()};
  while (!m.state.compare_exchange_weak(s.word, s.after_reset())) {
  }
  if (mutant("barrier: reset not rung")) return;
  detail::ring(m.bell, detail::all_sleepers);
}

std::size_t barrier::parties() const noexcept { return parties_of(meeting_of(ref_), group_of(ref_)); }
std::size_t barrier::waiting() const noexcept {
  const round_state s{meeting_of(ref_).state.load()};
  return s.broken() ? 0 : s.arrived();
}
bool barrier::broken() const noexcept { return round_state{meeting_of(ref_).state.load()}.broken(); }

void codec<barrier>::encode(writer& to, const barrier& value) { value.ref_.encode(to); }
barrier codec<barrier>::decode(reader& from) {
  return barrier(object_ref::decode(from, object_kind::barrier, barrier_size(1)));
}

}  // namespace kin
