// SPDX-License-Identifier: BSL-1.0
// bell: the one wait. Look; spin for about what a sleep would cost; then sleep on the bell's word until somebody rings.
// Lies in shared memory, in the header of every object; knows no processes, so it is tested between threads.
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

/// One wait in steps; see wait_for().
class sleep {
 public:
  sleep(bell& b, spinning how) noexcept;
  /// True while spinning is still worth it; pauses for a moment.
  bool spin() noexcept;
  void spinning_helped() noexcept;
  /// Announces that this thread will sleep. Look once more after it.
  void announce(bool light);
  /// Sleeps unless somebody has rung since announce(). False: the deadline has passed.
  bool until_rung(deadline until);

 private:
  bell& bell_;
  std::uint32_t seen_ = 0;
  std::uint64_t spin_end_ = 0, next_look_ = 0, interval_ = 0;
  bool looked_ = false;  // while spinning
};

/// Returns true as soon as `look` does, false when `until` has passed and it still does not. `light`: whether ringers
/// publish without a fence. `look` changes the world only when it returns true, and may throw.
template <class Look>
bool wait_for(bell& b, bool light, deadline until, spinning how, Look&& look) {
  sleep s(b, how);
  while (s.spin())
    if (look()) {
      s.spinning_helped();
      return true;
    }
  for (;;) {
    s.announce(light);
    if (!mutant("last look left out") && look()) return true;
    if (!s.until_rung(until)) return look();
  }
}

}  // namespace kin::detail
