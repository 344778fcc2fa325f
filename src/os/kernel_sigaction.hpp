// SPDX-License-Identifier: BSL-1.0
// kernel_sigaction: the kernel's struct sigaction, which glibc's is not; for rt_sigaction.
#pragma once

namespace kin::os {

struct kernel_sigaction {
  void* handler;
  unsigned long flags;
  void* restorer;
  unsigned long mask;
};

}  // namespace kin::os
