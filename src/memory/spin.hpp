// SPDX-License-Identifier: BSL-1.0
// spin: waiting awake for what another processor is about to do, for about what a sleep would cost
// (memory/wake_cost.hpp), and half as long each time that it has not helped. A bell, which many share, keeps that in
// itself (memory/bell.hpp).
#pragma once

#include <algorithm>
#include <cstdint>

#include "memory/cpu.hpp"
#include "memory/wake_cost.hpp"

namespace kin::detail {

/// How often to look. Each look takes a line away from who is about to write it.
struct spin_rhythm {
  /// Without a pause, which would be noticed, and before the clock is read, which costs as much as a short task.
  int looks_at_once = 0;
  /// Before each look after those.
  int pauses = 1;
  int looks_a_clock = 8;
};

/// True as soon as `look` says so; false after `budget` nanoseconds. Looks once in any case.
template <class Look>
bool spin(std::uint64_t budget, const spin_rhythm& rhythm, Look&& look) {
  if (budget == 0) return look();
  for (int i = 0; i < rhythm.looks_at_once; ++i)
    if (look()) return true;
  const std::uint64_t end = steady_now() + budget;
  do {
    for (int i = 0; i < rhythm.looks_a_clock; ++i) {
      for (int k = 0; k < rhythm.pauses; ++k) cpu::pause();
      if (look()) return true;
    }
  } while (steady_now() < end);
  return false;
}

/// The same with `apart` nanoseconds between two looks, by the clock: for what many look at.
template <class Look>
bool spin_by_the_clock(std::uint64_t budget, std::uint64_t apart, Look&& look) {
  std::uint64_t now = steady_now(), next_look = now + apart;
  const std::uint64_t end = now + budget;
  do {
    do {
      for (int i = 0; i < 8; ++i) cpu::pause();
      now = steady_now();
    } while (now < next_look);
    next_look = now + apart;
    // Once in any case: a spin that is over before it has looked would find itself in vain for ever.
    if (look()) return true;
  } while (now < end);
  return false;
}

/// How one side has fared with spinning lately. Each time in vain halves the next attempt, so that it is given up where
/// the other side is seldom near an answer, as beside busy processes; now and then it is tried at full length.
class spin_habit {
 public:
  template <class Look>
  bool spin(const spin_rhythm& rhythm, Look&& look) {
    const std::uint64_t budget = spin_budget() >> (++spins_ % spins_for_a_try == 0 ? 0 : in_vain_);
    const bool found = detail::spin(budget, rhythm, look);
    in_vain_ = found ? 0 : std::min(in_vain_ + 1, most_in_vain);
    return found;
  }

 private:
  static constexpr unsigned most_in_vain = 7, spins_for_a_try = 128;
  unsigned in_vain_ = 0, spins_ = 0;
};

}  // namespace kin::detail
