// SPDX-License-Identifier: BSL-1.0
// event_fd: non-blocking, so that neither set nor clear ever waits.
#include "os/event_fd.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>

#include <kin/os/duplicate.hpp>

#include "os/gate.hpp"

namespace kin::os {

event_fd::event_fd()
    : fd_(above_standard(
          unique_fd(call("eventfd", "make an event", [] { return ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); })))) {}

void event_fd::set(int fd) noexcept {
  const std::uint64_t one = 1;
  // EAGAIN: the counter is full, so it is set already.
  while (::write(fd, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void event_fd::clear(int fd) noexcept {
  std::uint64_t count = 0;
  while (::read(fd, &count, sizeof count) < 0 && errno == EINTR) {
  }
}

// It has no kind of file, like few others.
bool event_fd::is_one(int fd) noexcept {
  struct stat about {};
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_NONBLOCK) != 0 && ::fstat(fd, &about) == 0 && (about.st_mode & S_IFMT) == 0;
}

}  // namespace kin::os
