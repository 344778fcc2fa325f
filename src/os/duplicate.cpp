// SPDX-License-Identifier: BSL-1.0
// duplicate: see the header.
#include <kin/os/duplicate.hpp>

#include <fcntl.h>

#include "os/gate.hpp"

namespace kin::os {

unique_fd duplicate(int fd) {
  return unique_fd(
      call("fcntl(F_DUPFD_CLOEXEC)", "duplicate a file descriptor", [fd] { return ::fcntl(fd, F_DUPFD_CLOEXEC, 3); }));
}

}  // namespace kin::os
