// SPDX-License-Identifier: BSL-1.0
// bell: what all sleep on that wait for something in a family's memory (memory/wait_loop.hpp), when a spin did not
// help. Lies there itself, in the header of every object; knows no processes, so it is tested between threads.
//
// word = number of rings << 3 | settled | careful | somebody may sleep. A sleeper sets the bit, looks a last time, and
// sleeps on exactly what it has seen; so a ring after its last look is never lost (models/bell.pml). A dead sleeper's
// bit costs the next ringer one system call. Who rings and dies on the way is made up for by rouse(), at any death.
//
// Where ringers publish without a fence, a sleeper calls heavy_barrier, which costs microseconds beside busy cores. So
// the first also asks for care: from then on ringers do fence, and once that is settled sleepers need no barrier more.
// A ringer that has fenced in vain for a while ends it. Streams have no fences, and those who sleep often no barriers.
#pragma once

#include <atomic>
#include <cstdint>

#include <kin/core/deadline.hpp>

#include "memory/mutant.hpp"
#include "memory/spin.hpp"
#include "memory/wait_loop.hpp"

namespace kin::detail {

struct bell {
  std::atomic<std::uint32_t> word;
  std::atomic<std::uint32_t> slept_on;  ///< since the last rouse(); set by sleepers, cleared by rouse() alone
  std::atomic<std::uint64_t> rung_at;   ///< steady nanoseconds; a hint, for the calibration
  std::atomic<std::uint32_t> in_vain;   ///< how many spins in a row have not helped; a hint
  std::atomic<std::uint16_t> fences;    ///< made in vain since somebody has slept, about
  std::atomic<std::uint16_t> rung_on;   ///< the processor of who woke somebody last, from 1 on; a hint

  static constexpr std::uint32_t asleep = 1, careful = 2, settled = 4, one_ring = 8;
};
static_assert(sizeof(bell) == 24);

/// seldom: for who waits in a stream of which many can go by before it matters, and looks less often, so as not to
/// disturb it.
enum class spinning { allowed, seldom, useless };

inline constexpr int all_sleepers = 0x7fffffff;

/// After something was published that sleepers wait for. The caller's store comes before in the order of all fences:
/// by a locked instruction, or because sleepers see to it (`light`).
void ring_slowly(bell& b, int most) noexcept;
/// Whether ring() would do nothing.
inline bool is_quiet(const bell& b) noexcept {
  return (b.word.load(std::memory_order_seq_cst) & (bell::asleep | bell::careful)) == 0;
}
inline void ring(bell& b, int most) noexcept {
  if (!is_quiet(b)) [[unlikely]]
    ring_slowly(b, most);
}
/// Who is on the way to sleep looks once more before it does; who sleeps, sleeps on. In the word it is a ring.
inline void hold_up(bell& b) noexcept {
  // Without the bit there is nobody: who sets it looks after this.
  if ((b.word.load() & bell::asleep) != 0) b.word.fetch_add(bell::one_ring);
}
/// Wakes as many who sleep, to look again, whatever the bell says. Killed in it: to be called again.
void wake(bell& b, int most) noexcept;
inline void wake_all(bell& b) noexcept { wake(b, all_sleepers); }
/// The same if somebody has slept here since the last time; false: nobody has. For the supervisor, after it has marked
/// a death in the table: its own death is everybody's.
bool rouse(bell& b) noexcept;

/// One wait in steps, a Sleeper of memory/wait_loop.hpp; see wait_for(). `light`: whether ringers publish without a
/// fence, and nobody else sees to the barrier between announce() and the last look.
class sleep {
 public:
  sleep(bell& b, bool light, spinning how) noexcept;
  /// True as soon as `look` says so; false when spinning is not worth it any more, perhaps without a look.
  template <class Look>
  bool spin(Look&& look) {
    if (budget_ == 0) return false;
    const bool helped = spin_by_the_clock(budget_, apart_, look);
    note_spin(helped);
    return helped;
  }
  void announce();
  wait_end until_rung(const deadline& until);
  static bool skips_last_look() noexcept { return mutant("last look left out"); }

 private:
  void note_spin(bool helped) noexcept;

  bell& bell_;
  bool light_;
  std::uint32_t seen_ = 0;
  std::uint64_t budget_ = 0, apart_ = 0;  // to spin
};

/// Returns true as soon as `look` does, false when `until` has passed and it still does not. `look`: see sleep_until().
template <class Look>
bool wait_for(bell& b, bool light, deadline until, spinning how, Look&& look) {
  sleep s(b, light, how);
  if (s.spin(look)) return true;
  return sleep_until(s, until, look) == wait_end::seen;
}

}  // namespace kin::detail
