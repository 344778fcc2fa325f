// SPDX-License-Identifier: BSL-1.0
// ring_wait: see the header.
#include "transport/ring_wait.hpp"

#include <kin/core/error.hpp>

#include "memory/wake_cost.hpp"
#include "os/event_fd.hpp"
#include "os/fork_hooks.hpp"
#include "os/memory_barrier.hpp"
#include "os/process_id.hpp"
#include "os/processors.hpp"
#include "os/socket.hpp"

namespace kin::detail {

namespace {
std::atomic<int> this_process{0};
}  // namespace

void before_last_look(bool light) {
  if (!light)
    cpu::full_fence();
  else if (!os::heavy_barrier())
    throw error("kin: membarrier(2) is refused in this process since it has used this connection");
}

// getpid(2) would be a tenth of what a ring costs.
std::uint32_t bell_rung_here() {
  int pid = this_process.load(std::memory_order_relaxed);
  if (pid == 0) {
    static const bool hooked = [] {
      os::on_fork(nullptr, nullptr, [] { this_process = 0; });
      return true;
    }();
    (void)hooked;
    this_process = pid = os::own_pid();
  }
  return bell_rung_by(pid);
}

void ring_by_event(int event, std::atomic<std::uint64_t>& rung_at) noexcept {
  rung_at.store(steady_now(), std::memory_order_relaxed);
  os::event_fd::set(event);
}

bool ring_by_socket(int socket, std::atomic<std::uint64_t>& rung_at) {
  rung_at.store(steady_now(), std::memory_order_relaxed);
  const std::byte any{0};
  const iovec piece{const_cast<std::byte*>(&any), 1};
  // A full socket is readable: whoever sleeps there wakes without this byte.
  const os::io_result sent = os::send_some(socket, std::span(&piece, 1));
  return sent.state != os::io_state::closed;
}

void note_processor(std::atomic<std::uint32_t>& mine) noexcept {
  const auto here = static_cast<std::uint32_t>(os::current_processor() + 1);
  if (mine.load(std::memory_order_relaxed) != here) mine.store(here, std::memory_order_relaxed);
}

bool runs_elsewhere(const std::atomic<std::uint32_t>& theirs) noexcept {
  return theirs.load(std::memory_order_relaxed) != static_cast<std::uint32_t>(os::current_processor() + 1);
}

}  // namespace kin::detail
