// SPDX-License-Identifier: BSL-1.0
// poll: see the header.
#include "os/poll.hpp"

#include <ctime>

#include "os/gate.hpp"
#include "os/streak.hpp"

namespace kin::os {

thread_local constinit const void* streak = nullptr;

int poll_until(std::span<pollfd> entries, deadline until) {
  streak = nullptr;
  for (;;) {
    timespec left{};
    if (!until.is_never()) {
      const auto d = std::chrono::duration_cast<std::chrono::nanoseconds>(until.left());
      left.tv_sec = static_cast<time_t>(d.count() / 1'000'000'000);
      left.tv_nsec = static_cast<long>(d.count() % 1'000'000'000);
    }
    // Not through call(): after EINTR the time left has to be computed anew.
    int ready = -1;
    if (!gate::fault_due("ppoll"))
      ready = ::ppoll(entries.data(), entries.size(), until.is_never() ? nullptr : &left, nullptr);
    if (ready > 0) return ready;
    if (ready == 0) return 0;
    if (errno != EINTR) throw os_error("wait for a file descriptor", "ppoll", errno);
  }
}

bool poll_until(int fd, short events, deadline until) {
  pollfd entry{fd, events, 0};
  if (poll_until(std::span(&entry, 1), until) == 0) return false;
  if (entry.revents & POLLNVAL) throw os_error("wait for a file descriptor", "ppoll", EBADF);
  return true;
}

}  // namespace kin::os
