// SPDX-License-Identifier: BSL-1.0
// turn: holds one of a ring's locks. The word is 0 or the claim of who holds it; a dead one's is taken over, and there
// is nothing to repair then. Releasing is a plain store where membarrier(2) works: who goes to sleep pays for the
// order.
#pragma once

#include <atomic>

#include <kin/core/deadline.hpp>

#include "memory/bell.hpp"
#include "memory/family.hpp"
#include "memory/mutant.hpp"

namespace kin::detail {

class turn {
 public:
  /// `released` is rung when the lock is given up; nothing is taken yet.
  turn(std::atomic<claim>& lock, bell& released, claim me) noexcept : lock_(lock), released_(released), me_(me) {}
  turn(const turn&) = delete;
  turn& operator=(const turn&) = delete;
  ~turn() {
    if (held_) release();
  }

  bool try_take() noexcept {
    claim nobody = 0;
    held_ = lock_.compare_exchange_strong(nobody, me_, std::memory_order_acquire, std::memory_order_relaxed);
    return held_;
  }
  /// Waits for it; a little longer than `until`, because a lock that is merely busy is no reason to miss an item that
  /// is there. Throws os_error (EDEADLK: a signal handler came back to the lock that it interrupted).
  bool take(deadline until) { return try_take() || take_slowly(until); }
  void release() noexcept {
    held_ = false;
    if (family::light_publication()) {
      lock_.store(0, std::memory_order_release);
      std::atomic_signal_fence(std::memory_order_seq_cst);
    } else {
      lock_.exchange(0);
    }
    if (!mutant("turn not rung")) ring(released_, 1);
  }

 private:
  bool take_slowly(deadline until);

  std::atomic<claim>& lock_;
  bell& released_;
  claim me_;
  bool held_ = false;
};

}  // namespace kin::detail
