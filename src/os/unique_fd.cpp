// SPDX-License-Identifier: BSL-1.0
// unique_fd: closing.
#include <kin/os/unique_fd.hpp>

#include <unistd.h>

namespace kin {

void unique_fd::reset(int fd) noexcept {
  // Linux releases the number even when close() reports EINTR or EIO, so it is never called twice (man 2 close).
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

}  // namespace kin
