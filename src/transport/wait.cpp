// SPDX-License-Identifier: BSL-1.0
// wait: see the header.
#include <kin/transport/wait.hpp>

#include <cerrno>

#include <kin/core/error.hpp>

#include "os/poll.hpp"

namespace kin::detail {

ready_set wait_until(std::span<const waitable> things, deadline until) {
  std::vector<pollfd> entries;
  entries.reserve(things.size());
  for (const waitable& thing : things) {
    if (thing.native_handle() < 0) throw closed_error("kin: wait: one of the things to wait for is closed");
    entries.push_back({thing.native_handle(), POLLIN, 0});
  }
  os::poll_until(entries, until);
  std::vector<int> ready;
  for (const pollfd& entry : entries) {
    if (entry.revents & POLLNVAL)
      throw os_error("wait for file descriptor " + std::to_string(entry.fd), "ppoll", EBADF);
    if (entry.revents != 0) ready.push_back(entry.fd);
  }
  return ready_set(std::move(ready));
}

}  // namespace kin::detail
