// SPDX-License-Identifier: BSL-1.0
// spawn_starter: start_child: this program again, by exec in the spawner thread; and the door to the other start
// methods for a call that has been encoded.
#include <mutex>

#include <kin/core/error.hpp>
#include <kin/process/child.hpp>

#include "memory/family.hpp"
#include "os/launch.hpp"
#include "os/lifeline.hpp"
#include "os/socket.hpp"
#include "process/bootstrap.hpp"
#include "process/runtime.hpp"
#include "process/spawner.hpp"
#include "process/start_plan.hpp"
#include "process/worker_program.hpp"

namespace kin::detail {
namespace {

// Shows the hello and leaves it where whoever reads the channel expects it.
void await_hello(child& started) {
  if (!started.link().poll(deadline::after(runtime::get().start_patience())))
    throw start_error("kin: process " + std::to_string(started.pid()) +
                      " was started, but has not come to kin::init() in time: what stands before it in main(), or the "
                      "constructor of a static object, does not end");
  if (started.link().next().signature == refused_frame) throw_refusal(started.link().take());
}

// For a child that has ended already: it may have said why before it was told anything.
void throw_if_refused(child& started) {
  parcel why;
  try {
    if (!started.link().poll(deadline::now()) || started.link().next().signature != refused_frame) return;
    why = started.link().take();
  } catch (const error&) {
    return;  // it has said nothing
  }
  started.end({});
  throw_refusal(std::move(why));
}

}  // namespace

std::shared_ptr<child> start_child(const process_options& options, child_role role, parcel call) {
  runtime& self = runtime::get();
  self.require_initialised();
  if (options.start == start::fork) return fork_child(options, role, std::move(call));
  if (options.start == start::forkserver) return serve_child(options, role, std::move(call));
  const auto name = self.next_child_name(options.name);
  const opened_output output = open_redirections(options);
  introduction about = introduce(options, role, name);
  about.task = task_to_load(call);
  const parcel who = encode_introduction(about);
  os::launch_request request = launch_request_for(options, role, output);
  const int family_link = family::link();

  std::unique_lock starting(self.starting());
  auto [ours, theirs] = os::socket_pair();
  auto [child_line, parent_line] = os::make_lifeline();
  request.descriptors.emplace_back(channel_fd, theirs.get());
  request.descriptors.emplace_back(lifeline_fd, child_line.get());
  request.descriptors.emplace_back(family_fd, family_link);
  unique_fd crash_file = make_crash_file(role);
  if (crash_file) request.descriptors.emplace_back(crash_fd, crash_file.get());
  os::launched launched = launch_in_spawner(request);
  theirs.reset();  // or the end of file would never be seen
  child_line.reset();
  auto started =
      std::make_shared<child>(launched.pid, std::move(launched.pidfd), channel(std::move(ours)), std::move(parent_line),
                              name.name, options.daemon, role, launched.booked_memory);
  started->set_crash_file(std::move(crash_file));
  self.add_child(started);
  starting.unlock();
  try {
    try {
      started->link().send(introduction_frame, who.bytes);
    } catch (const closed_error&) {
      if (about.task.empty()) throw;
    }
    if (!about.task.empty()) await_loaded(*started, role);
    // What does not fit into the socket is read by a child that has come to kin::init() only.
    if (call.bytes.size() > fits_into_socket) await_hello(*started);
    started->link().send(call_frame, call.bytes, call.fds);
    call.arrived();
  } catch (const closed_error&) {
    // It has died already (a missing library, a limit too low): its exit status says so. Where the start would have
    // waited for it, so does the start.
    if (call.bytes.size() > fits_into_socket) throw_if_refused(*started);
  } catch (...) {
    started->end({});
    throw;
  }
  return started;
}

}  // namespace kin::detail
