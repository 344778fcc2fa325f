// SPDX-License-Identifier: BSL-1.0
// process_view: see the header.
#include <kin/process/process_view.hpp>

#include <csignal>
#include <stdexcept>

#include <kin/os/duplicate.hpp>
#include <kin/process/child.hpp>

#include "os/pidfd.hpp"
#include "os/process_id.hpp"
#include "process/runtime.hpp"

namespace kin {

namespace detail {
struct observed_process {
  int pid = -1;
  std::string name;
  std::shared_ptr<child> own_child;  // set for a child of this process, which has to be reaped
  unique_fd pidfd;                   // set for the parent
};
}  // namespace detail

int process_view::pid() const noexcept { return of_->pid; }
const std::string& process_view::name() const noexcept { return of_->name; }

int process_view::native_handle() const noexcept { return of_->own_child ? of_->own_child->pidfd() : of_->pidfd.get(); }

bool process_view::wait(deadline until) const {
  if (of_->own_child) return of_->own_child->join(until);
  if (of_->pid == os::own_pid()) throw std::logic_error("kin: a process cannot wait for its own end");
  if (!of_->pidfd) return os::parent_pid() != of_->pid;  // a sandbox without pidfd_open: only "gone or not" is known
  return os::wait_for_end(of_->pidfd.get(), until);
}

bool process_view::signal(int number) const {
  if (of_->own_child) return of_->own_child->signal(number);
  if (of_->pid == os::own_pid()) return os::send_signal(os::open_pidfd(of_->pid).get(), number);
  return of_->pidfd && os::send_signal(of_->pidfd.get(), number);
}
bool process_view::terminate() const { return signal(SIGTERM); }
bool process_view::kill() const { return signal(SIGKILL); }
bool process_view::interrupt() const { return signal(SIGINT); }

bool process_view::is_alive() const { return of_->pid == os::own_pid() || !wait(deadline::now()); }

process_view current_process() {
  auto observed = std::make_shared<detail::observed_process>();
  observed->pid = os::own_pid();
  observed->name = detail::runtime::get().name();
  return process_view(std::move(observed));
}

std::optional<process_view> parent_process() {
  const auto& parent = detail::runtime::get().parent();
  if (!parent) return std::nullopt;
  auto observed = std::make_shared<detail::observed_process>();
  observed->pid = parent->pid;
  observed->name = parent->name;
  if (parent->pidfd) observed->pidfd = os::duplicate(parent->pidfd.get());
  return process_view(std::move(observed));
}

std::vector<process_view> active_children() {
  std::vector<process_view> active;
  for (auto& c : detail::runtime::get().children()) {
    if (c->status()) continue;
    auto observed = std::make_shared<detail::observed_process>();
    observed->pid = c->pid();
    observed->name = c->name();
    observed->own_child = std::move(c);
    active.push_back(process_view(std::move(observed)));
  }
  return active;
}

}  // namespace kin
