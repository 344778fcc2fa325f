// SPDX-License-Identifier: BSL-1.0
// turn: see the header.
#include "queue/turn.hpp"

#include <cerrno>
#include <chrono>

#include <kin/core/error.hpp>

namespace kin::detail {
namespace {

// A holder that is stopped, or not yet known to be dead, is waited for so long.
constexpr std::chrono::seconds patience{1};

deadline extended(deadline until) {
  if (until.is_never() || until.when() > deadline::clock::time_point::max() - patience) return deadline::never();
  return deadline::at(until.when() + patience);
}

}  // namespace

bool turn::take_slowly(deadline until) {
  if (lock_.load(std::memory_order_relaxed) == me_)
    throw os_error("use a queue in a signal handler that has interrupted its use", "lock", EDEADLK);
  held_ = wait_for(released_, family::light_publication(), extended(until), spinning::allowed, [&] {
    claim holder = lock_.load(std::memory_order_acquire);
    if (holder != 0 && (mutant("lock of the dead not taken over") || !family::is_dead(holder))) return false;
    return lock_.compare_exchange_strong(holder, me_, std::memory_order_acquire, std::memory_order_relaxed);
  });
  return held_;
}

}  // namespace kin::detail
