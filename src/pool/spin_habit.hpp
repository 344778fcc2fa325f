// SPDX-License-Identifier: BSL-1.0
// spin_habit: how long a waiting thread of a pool spins before it sleeps: about what a sleep costs, and half as long
// after each time that it did not help. On one processor that is soon next to nothing.
#pragma once

#include <cstdint>

#include "memory/cpu.hpp"
#include "memory/wake_cost.hpp"
#include "os/processors.hpp"

namespace kin::detail {

class spin_habit {
 public:
  /// True as soon as `look` does; false when it is time to sleep.
  template <class Look>
  bool until(Look&& look) {
    // Of the machine: two who are pinned to one processor each are well apart.
    static const bool more = os::processors_online() > 1;
    const std::uint64_t budget = more ? spin_budget() >> in_vain_ : 0;
    if (budget == 0) return look();
    for (int i = 0; i < looks_a_clock; ++i) {  // the first ones without a clock: it costs as much as a short task
      if (look()) return helped();
      cpu::pause();
    }
    const std::uint64_t end = steady_now() + budget;
    do {
      for (int i = 0; i < looks_a_clock; ++i) {
        if (look()) return helped();
        cpu::pause();
      }
    } while (steady_now() < end);
    if (in_vain_ < most_in_vain) ++in_vain_;
    return look();
  }

 private:
  static constexpr int looks_a_clock = 16;
  static constexpr unsigned most_in_vain = 5;
  bool helped() noexcept {
    in_vain_ = 0;
    return true;
  }
  unsigned in_vain_ = 0;
};

}  // namespace kin::detail
