// SPDX-License-Identifier: BSL-1.0
// descriptor_flags: see the header.
#include "os/descriptor_flags.hpp"

#include <fcntl.h>

#include "os/gate.hpp"

namespace kin::os {

void set_close_on_exec(int fd) {
  call("fcntl(F_SETFD)", "keep a file descriptor from other programs",
       [fd] { return ::fcntl(fd, F_SETFD, FD_CLOEXEC); });
}

bool is_open(int fd) noexcept { return ::fcntl(fd, F_GETFD) >= 0; }

}  // namespace kin::os
