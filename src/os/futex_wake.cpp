// SPDX-License-Identifier: BSL-1.0
// futex_wake: see the header.
#include "os/futex_wake.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace kin::os {

int futex_wake(const std::atomic<std::uint32_t>& word, int most) noexcept {
  const long woken = ::syscall(SYS_futex, &word, FUTEX_WAKE, most, nullptr, nullptr, 0);
  return woken < 0 ? 0 : static_cast<int>(woken);
}

}  // namespace kin::os
