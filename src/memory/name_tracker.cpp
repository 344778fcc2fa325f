// SPDX-License-Identifier: BSL-1.0
// name_tracker: see the header.
#include "memory/name_tracker.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <utility>

#include <kin/core/deadline.hpp>

#include "os/fork_hooks.hpp"
#include "os/own_process.hpp"
#include "os/packet.hpp"
#include "os/poll.hpp"
#include "os/socket.hpp"

namespace kin::detail {
namespace {

using starter = std::function<unique_fd()>;

// Under os::whole_over_fork. Never destroyed: the root's thread may need it while the process exits.
std::shared_ptr<const starter>& the_starter() {
  static auto* const s = new std::shared_ptr<const starter>;
  return *s;
}

// Takes what is there. False: the root has closed its end, and nothing is left in it.
bool take_messages(int link, std::vector<tracked_name>& names) {
  for (;;) {
    name_message message{};
    const os::packet got = os::recv_packet(link, std::as_writable_bytes(std::span(&message, 1)), os::packet_wait::no);
    if (got.size == 0) return !os::is_hung_up(link);
    message.name[sizeof message.name - 1] = 0;
    if (message.what == name_message::verb::add)
      names.push_back({message.name, message.identity});
    else
      std::erase_if(names, [&](const tracked_name& n) { return n.identity == message.identity; });
  }
}

}  // namespace

void name_tracker::start_by(std::function<unique_fd()> start) {
  auto made = std::make_shared<const starter>(std::move(start));
  const std::lock_guard hold(os::whole_over_fork);
  the_starter() = std::move(made);
}

void name_tracker::add(tracked_name name) {
  names_.push_back(std::move(name));
  try {
    // One that is stopped, and has not read what was sent before, is not replaced.
    if (!tell(name_message::verb::add, names_.back()) && (!link_ || os::is_hung_up(link_.get()))) start_one();
  } catch (...) {
    names_.pop_back();
    throw;
  }
}

void name_tracker::remove(const os::memory_identity& identity) noexcept {
  const auto found =
      std::find_if(names_.begin(), names_.end(), [&](const tracked_name& n) { return n.identity == identity; });
  if (found == names_.end()) return;
  // What it is not told it finds out: the name is not there, or another's.
  (void)tell(name_message::verb::remove, *found);
  names_.erase(found);
  if (names_.empty()) link_.reset();
}

void name_tracker::abandon() noexcept {
  link_.reset();
  names_.clear();
}

bool name_tracker::tell(name_message::verb what, const tracked_name& name) const noexcept {
  if (!link_) return false;
  name_message message{what, name.identity, {}};
  name.name.copy(message.name, sizeof message.name - 1);
  try {
    return os::send_packet(link_.get(), std::as_bytes(std::span(&message, 1)), {}, os::packet_wait::no);
  } catch (const std::exception&) {
    return false;
  }
}

void name_tracker::start_one() {
  std::shared_ptr<const starter> start;
  {
    const std::lock_guard hold(os::whole_over_fork);
    start = the_starter();
  }
  if (!start) return;
  link_.reset();
  link_ = (*start)();
  for (const tracked_name& name : names_)
    if (!tell(name_message::verb::add, name)) break;
}

void run_name_tracker(unique_fd link, unique_fd root) noexcept {
  try {
    os::go_on_in_a_copy();
    os::name_own_process("kin-names");
    os::ignore_group_signals();
    os::silence_standard_streams();
    os::send_packet(link.get(), std::as_bytes(std::span(&name_tracker_is_there, 1)), {}, os::packet_wait::no);
    std::vector<tracked_name> names;
    std::array<pollfd, 2> both{{{link.get(), POLLIN, 0}, {root.get(), POLLIN, 0}}};
    bool goes_on = true;
    while (goes_on) {
      os::poll_until(both, deadline::never());
      const bool root_has_ended = both[1].revents != 0;
      goes_on = take_messages(link.get(), names) && !root_has_ended;
    }
    for (const tracked_name& n : names) try {
        os::unlink_named_memory(n.name, n.identity);
      } catch (const std::exception&) {
        // The others still go.
      }
  } catch (const std::exception&) {
    // Its root sees the end of the link, and starts another for its next name.
  }
  os::leave_at_once(0);
}

}  // namespace kin::detail
