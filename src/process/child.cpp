// SPDX-License-Identifier: BSL-1.0
// child: waiting, status, signals; see the header.
#include <kin/process/child.hpp>

#include <array>
#include <csignal>
#include <string_view>

#include <kin/core/error.hpp>
#include <kin/core/log.hpp>

#include "memory/family.hpp"
#include "os/crash_report.hpp"
#include "os/pidfd.hpp"
#include "os/process_id.hpp"
#include "process/bootstrap.hpp"
#include "process/exit_codes.hpp"
#include "process/fork_server.hpp"

namespace kin::detail {
namespace {
// Frames below a task are kin's: the stack is cut where the call begins.
constexpr std::array<std::string_view, 3> task_entries{"kin::detail::invoke_once<", "kin::detail::run_call<",
                                                       "kin::detail::run_to_outcome("};
}  // namespace

child::child(int pid, unique_fd pidfd, channel to_child, unique_fd lifeline, std::string name, bool daemon,
             child_role role, std::uint64_t booked_memory)
    : pid_(pid),
      owner_(os::own_pid()),
      pidfd_(std::move(pidfd)),
      channel_(std::move(to_child)),
      lifeline_(std::move(lifeline)),
      name_(std::move(name)),
      daemon_(daemon),
      role_(role),
      booked_memory_(booked_memory) {}

child::~child() {
  if (server_ && !status_ && owner_ == os::own_pid()) server_->forget(serial_);
}

void child::require_owner() const {
  if (os::own_pid() != owner_)
    throw os_error("wait for or signal process " + std::to_string(pid_) +
                       ": it is not a child of this process, which is a forked copy of its parent",
                   "waitid", ECHILD);
}

bool child::join(deadline until) {
  require_owner();
  {
    const std::lock_guard hold(mutex_);
    if (status_) return true;
  }
  // Waited for outside the lock, so that many threads may wait, each with its own deadline.
  if (!os::wait_for_end(pidfd_.get(), until)) return false;
  // A server takes its children's; what it has to tell of them is only waited for by those who ask.
  if (!server_) take_status();
  family::learn_of_deaths();
  return true;
}

void child::set_server(std::shared_ptr<fork_server> server, std::uint64_t serial) noexcept {
  server_ = std::move(server);
  serial_ = serial;
  greeted_ = true;
}

void child::take_status() {
  {
    const std::lock_guard hold(mutex_);
    if (status_) return;
    status_ = final_status();
  }
  if (role_ == child_role::process && log_is_wanted())
    log(log_record::severity::info,
        "kin: process " + name_ + " (" + std::to_string(pid_) + ") has ended: " + status_->describe());
}

exit_status child::final_status() {
  exit_status status;
  if (const auto ended = server_ ? server_->take_status(serial_) : os::reap(pidfd_.get())) {
    status.code = ended->code;
    status.signal = ended->signal;
    status.core_dumped = ended->core_dumped;
    if (ended->peak_memory > booked_memory_) status.peak_memory = ended->peak_memory;
    status.user_time = ended->user_time;
    status.system_time = ended->system_time;
  } else {
    status.known = false;
  }
  const bool all_is_known = greeted_ && status.known && status.peak_memory != 0 && status.code != could_not_begin;
  if (role_ == child_role::process && !all_is_known) complete_from_last_words(channel_, status, greeted_);
  return status;
}

std::optional<exit_status> child::status() {
  if (!join(deadline::now())) return std::nullopt;
  take_status();
  const std::lock_guard hold(mutex_);
  return status_;
}

bool child::signal(int number) {
  require_owner();
  const std::lock_guard hold(mutex_);
  if (server_ && os::wait_for_end(pidfd_.get(), deadline::now())) return false;
  return !status_ && os::send_signal(pidfd_.get(), number);
}

bool child::signal_group(int number) {
  require_owner();
  const std::lock_guard hold(mutex_);
  // Its number cannot have been given to anybody else before take_status has reaped it, which needs the same lock.
  // Nor before the server has been told that it may; when that has been killed, nothing keeps the number.
  if (server_ && !server_->alive() && os::wait_for_end(pidfd_.get(), deadline::now())) return false;
  if (status_) return false;
  const bool has_group = os::signal_group(pid_, number);
  // A child that has just been forked may not have made its group yet; or it has left it, and others are still in it.
  return (has_group && os::leads_process_group(pid_)) || os::send_signal(pidfd_.get(), number) || has_group;
}

void child::end(std::chrono::nanoseconds patience) noexcept {
  try {
    signal(SIGTERM);
    if (join(deadline::after(patience))) return;
    signal(SIGKILL);
    join(deadline::never());
  } catch (...) {
    // Without memory or permission nothing more can be done for it here; it dies with this process.
  }
}

std::string child::crash_report() const {
  return crash_file_ ? os::describe_crash(crash_file_.get(), pid_, task_entries) : std::string();
}

void child::abandon() noexcept {
  channel_.close();
  lifeline_.reset();
}

}  // namespace kin::detail
