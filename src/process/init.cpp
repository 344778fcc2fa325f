// SPDX-License-Identifier: BSL-1.0
// init: the first statement of main(): the program goes on, or becomes a child.
#include <kin/process/init.hpp>

#include <cstdio>
#include <cstdlib>

#include "os/descriptor_flags.hpp"
#include "os/process_id.hpp"
#include "os/socket.hpp"
#include "process/bootstrap.hpp"
#include "process/environment.hpp"
#include "process/exit_codes.hpp"
#include "process/name_tracker_starter.hpp"
#include "process/runtime.hpp"

namespace kin {

namespace {
// Objects of static storage may be shared ones, made before main() comes to init(): in a child they are of the family
// that it was started in. So this comes before their constructors.
[[gnu::constructor(101)]] void join_the_parents_family() {
  const auto mark = detail::find_child_mark();
  if (mark && mark->parent_pid == os::parent_pid() && os::peer_pid(detail::channel_fd) == mark->parent_pid &&
      !os::runs_with_raised_privileges()) {
    if (mark->depth == detail::name_tracker_depth) detail::become_name_tracker();
    detail::attach_to_family();
  }
}
}  // namespace

void init() {
  detail::runtime& self = detail::runtime::get();
  const auto mark = detail::take_child_mark();
  const bool has_channel = mark && os::peer_pid(detail::channel_fd) == mark->parent_pid;
  // A child whose parent has died before it came here, and left it to somebody else.
  if (has_channel && mark->parent_pid != os::parent_pid()) std::_Exit(detail::nobody_asks);
  if (!mark || mark->parent_pid != os::parent_pid()) {
    // No mark, or a stale one that a user's own exec has passed on: this is a program of its own.
    self.initialise(0);
    self.start_itself();
    detail::let_names_be_tracked();
    return;
  }
  if (os::runs_with_raised_privileges()) {
    std::fputs("kin: a set-user-id or set-group-id program refuses to be started as a child\n", stderr);
    std::_Exit(detail::could_not_begin);
  }
  if (!has_channel) {
    std::fputs("kin: this process was started as a child, but without its channel\n", stderr);
    std::_Exit(detail::could_not_begin);
  }
  os::set_close_on_exec(detail::channel_fd);
  self.initialise(mark->depth);
  detail::run_spawned_child(unique_fd(detail::channel_fd));
}

}  // namespace kin
