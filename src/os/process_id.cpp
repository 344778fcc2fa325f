// SPDX-License-Identifier: BSL-1.0
// process_id: see the header.
#include "os/process_id.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace kin::os {

int own_pid() noexcept { return ::getpid(); }
int parent_pid() noexcept { return ::getppid(); }

void reap_by_pid(int pid) noexcept {
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace kin::os
