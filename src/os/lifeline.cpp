// SPDX-License-Identifier: BSL-1.0
// lifeline: F_SETSIG on a pipe (man 2 fcntl). Second to PR_SET_PDEATHSIG for spawned children, because that is lost
// when a child changes its credentials; the only one for forked children, because theirs would follow a thread.
#include "os/lifeline.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>

#include <kin/os/duplicate.hpp>

#include "os/gate.hpp"

namespace kin::os {

std::pair<unique_fd, unique_fd> make_lifeline() {
  int ends[2];
  call("pipe2", "tie a child to its parent", [&] { return ::pipe2(ends, O_CLOEXEC); });
  unique_fd reading(ends[0]), writing(ends[1]);
  return {above_standard(std::move(reading)), above_standard(std::move(writing))};
}

void arm_lifeline(unique_fd end) {
  const int fd = end.release();  // stays open until the process ends
  constexpr const char* doing = "tie this process to its parent";
  call("fcntl(F_SETFD)", doing, [&] { return ::fcntl(fd, F_SETFD, FD_CLOEXEC); });
  call("fcntl(F_SETOWN)", doing, [&] { return ::fcntl(fd, F_SETOWN, ::getpid()); });
  call("fcntl(F_SETSIG)", doing, [&] { return ::fcntl(fd, F_SETSIG, SIGKILL); });
  call("fcntl(F_SETFL)", doing, [&] { return ::fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK); });
  // The parent may have died before the signal was armed.
  pollfd entry{fd, POLLIN, 0};
  if (call("poll", doing, [&] { return ::poll(&entry, 1, 0); }) > 0) ::_exit(127);
}

}  // namespace kin::os
