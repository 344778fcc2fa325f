// SPDX-License-Identifier: BSL-1.0
// wait: see the header.
#include <kin/transport/wait.hpp>

#include <algorithm>
#include <cerrno>

#include <kin/core/error.hpp>

#include "os/poll.hpp"

namespace kin::detail {

waited_on::~waited_on() = default;

namespace {
class telling_owners {
 public:
  explicit telling_owners(std::span<const waitable> things) {
    for (const waitable& thing : things)
      if (waited_on* const its = thing.waited_on().get()) owners_.push_back(its);
    std::ranges::sort(owners_);
    owners_.erase(std::unique(owners_.begin(), owners_.end()), owners_.end());
    for (waited_on* const each : owners_) each->wait_begins();
  }
  telling_owners(const telling_owners&) = delete;
  telling_owners& operator=(const telling_owners&) = delete;
  ~telling_owners() {
    for (waited_on* const each : owners_) each->wait_ends();
  }

 private:
  std::vector<waited_on*> owners_;  // each once; `things` keeps them
};
}  // namespace

ready_set wait_until(std::span<const waitable> things, deadline until) {
  std::vector<pollfd> entries;
  entries.reserve(things.size());
  for (const waitable& thing : things) {
    if (thing.native_handle() < 0) throw closed_error("kin: wait: one of the things to wait for is closed");
    entries.push_back({thing.native_handle(), POLLIN, 0});
  }
  const bool any_owner = std::ranges::any_of(things, [](const waitable& w) { return w.waited_on() != nullptr; });
  if (!any_owner) {
    os::poll_until(entries, until);
  } else if (os::poll_until(entries, deadline::now()) == 0 && !until.passed()) {
    const telling_owners meanwhile(things);
    os::poll_until(entries, until);
  }
  std::vector<int> ready;
  for (const pollfd& entry : entries) {
    if (entry.revents & POLLNVAL)
      throw os_error("wait for file descriptor " + std::to_string(entry.fd), "ppoll", EBADF);
    if (entry.revents != 0) ready.push_back(entry.fd);
  }
  return ready_set(std::move(ready));
}

}  // namespace kin::detail
