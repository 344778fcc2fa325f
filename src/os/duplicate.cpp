// SPDX-License-Identifier: BSL-1.0
// duplicate: see the header.
#include <kin/os/duplicate.hpp>

#include <fcntl.h>
#include <unistd.h>

#include "os/gate.hpp"

namespace kin::os {

unique_fd duplicate(int fd) {
  return unique_fd(
      call("fcntl(F_DUPFD_CLOEXEC)", "duplicate a file descriptor", [fd] { return ::fcntl(fd, F_DUPFD_CLOEXEC, 3); }));
}

unique_fd above_standard(unique_fd fd) {
  if (!fd || fd.get() > 2) return fd;
  return duplicate(fd.get());
}

void replace(int number, int with) {
  call("dup3", "replace a descriptor", [&] { return ::dup3(with, number, O_CLOEXEC); });
}

}  // namespace kin::os
