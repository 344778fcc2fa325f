// SPDX-License-Identifier: BSL-1.0
// futex: FUTEX_WAIT_BITSET, because its time-out is a point in CLOCK_MONOTONIC and so survives interrupted sleeps.
#include "os/futex.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/gate.hpp"
#include "os/monotonic_time.hpp"

namespace kin::os {

bool futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t seen, deadline until) {
  static_assert(sizeof word == sizeof(std::uint32_t) && std::atomic<std::uint32_t>::is_always_lock_free);
  timespec end{};
  if (!until.is_never()) end = monotonic_time(until.when());
  const long result = gate::fault_due("futex")
                          ? -1
                          : ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, seen, until.is_never() ? nullptr : &end,
                                      nullptr, FUTEX_BITSET_MATCH_ANY);
  if (result == 0 || errno == EAGAIN || errno == EINTR) return true;
  if (errno == ETIMEDOUT) return false;
  throw os_error("wait on shared memory", "futex", errno);
}

}  // namespace kin::os
