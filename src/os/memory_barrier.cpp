// SPDX-License-Identifier: BSL-1.0
// memory_barrier: see the header.
#include "os/memory_barrier.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace kin::os {

bool register_for_heavy_barrier() noexcept {
  return ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0;
}

bool heavy_barrier() noexcept { return ::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) == 0; }

bool has_heavy_barrier() noexcept {
  static const bool yes = register_for_heavy_barrier() && heavy_barrier();
  return yes;
}

}  // namespace kin::os
