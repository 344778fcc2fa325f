// SPDX-License-Identifier: BSL-1.0
// fork_starter: fork_child: a copy of this process, made in the calling thread.
#include <clocale>
#include <csignal>
#include <mutex>
#include <optional>

#include <kin/core/error.hpp>
#include <kin/core/log.hpp>
#include <kin/process/child.hpp>
#include <kin/wire/call.hpp>
#include <kin/wire/codec.hpp>
#include <kin/wire/outcome.hpp>

#include "memory/family.hpp"
#include "memory/fork_hooks.hpp"
#include "os/crash_handler.hpp"
#include "os/lifeline.hpp"
#include "os/own_image.hpp"
#include "os/pidfd.hpp"
#include "os/process_id.hpp"
#include "os/socket.hpp"
#include "process/bootstrap.hpp"
#include "process/exit_codes.hpp"
#include "process/runtime.hpp"
#include "process/start_plan.hpp"

namespace kin::detail {
namespace {

// What a copy of this process does from fork on.
class forked_copy {
 public:
  forked_copy(const process_options& options, child_role role, introduction who, const opened_output& output)
      : role_(role),
        who_(std::move(who)),
        plan_(image_changes_for(options, role, output)),
        awaited_(plan_.can_be_refused() || !os::leaves_ended_children()) {}

  /// Whether the copy waits for a word of the parent's, and the parent for its hello. Not where nothing can be refused
  /// and a copy that has ended stays for the parent to look at: then a start is two switches of process shorter.
  [[nodiscard]] bool awaited() const { return awaited_; }

  [[noreturn]] void live(unique_fd channel_end, unique_fd lifeline, unique_fd crash_file,
                         const std::function<void()>& body) {
    forget_log();
    int code = could_not_begin;
    channel* to_parent = nullptr;
    try {
      set_link_to_parent(channel(std::move(channel_end)));
      to_parent = &link_to_parent();
      os::arm_lifeline(std::move(lifeline));
      // Waits until the parent holds the pidfd: with SIGCHLD ignored, a child that has ended leaves no trace.
      if (awaited_) link_to_parent().take();
      if (change_into_child()) {
        hold_what_was_forked();
        os::on_exit_of_copy(&end);
        if (crash_file) os::report_crashes_to(crash_file.release());
        code = run_in_role(role_, who_.name, body);
        leave_shared_objects();
      }
    } catch (const closed_error&) {
      code = nobody_asks;  // the parent died first
    } catch (const std::exception& e) {
      if (to_parent) say_why_not(*to_parent, e);
    }
    end(code);
    os::leave_forked_image(code);
  }

 private:
  static void end(int code) {
    say_exit_code(code);
    os::leave_forked_image(code);
  }

  // False: the parent has been told why not.
  bool change_into_child() {
    unique_fd parent;
    try {
      parent = os::open_pidfd(who_.parent_pid);
    } catch (const os_error&) {
      // It is about to end, or a sandbox refuses pidfd_open: parent_process() then knows less.
    }
    if (const auto refused = plan_.apply()) {
      if (!awaited_) throw os_error(refused->doing, refused->call.c_str(), refused->error);
      link_to_parent().send(refused_frame, encode_refusal(*refused).bytes);
      return false;
    }
    if (plan_.changes_surroundings()) runtime::get().note_surroundings();  // its own children get them, too
    become_child(who_, std::move(parent));
    if (awaited_) link_to_parent().send(hello_frame, {});
    return true;
  }

  const child_role role_;
  const introduction who_;
  const os::image_plan plan_;
  const bool awaited_;
};

// Lets the copy begin, and waits for its hello. A process's is left for complete_from_last_words; a service's is taken,
// header and all, because its pool reads the socket and not the channel.
void release_copy(child& copy, child_role role) {
  try {
    copy.link().send(introduction_frame, {});
    const bool refused = copy.link().next().signature == refused_frame;
    if (!refused && role != child_role::service) return;
    parcel message = copy.link().take();
    if (!refused) return;
    copy.join(deadline::never());
    throw_refusal(std::move(message));
  } catch (const closed_error&) {
    // Killed before it began: its exit status says so.
  }
}

}  // namespace

std::shared_ptr<child> fork_child(const process_options& options, child_role role, const std::function<void()>& body) {
  runtime& self = runtime::get();
  self.require_initialised();
  if (const int others = os::foreign_threads(); others > 0)
    throw start_error(
        "kin: start::fork refused: " + std::to_string(others) +
        " other thread(s) exist, and a lock that one of them holds would stay locked for ever in the copy. "
        "Fork before starting threads, or use start::spawn");
  const auto name = self.next_child_name(options.name);
  const opened_output output = open_redirections(options);
  introduction who = introduce(options, role, name);
  if (const char* locale = std::setlocale(LC_ALL, nullptr); locale && who.locale == locale) who.locale.clear();
  forked_copy copy(options, role, std::move(who), output);
  (void)family::link();  // so that the copy belongs to it

  std::unique_lock starting(self.starting());
  auto [ours, theirs] = os::socket_pair();
  auto [child_line, parent_line] = os::make_lifeline();
  unique_fd crash_file = make_crash_file(role);
  if (crash_file) os::prepare_crash_reports();
  std::optional<os::signals_wait> unhandled(std::in_place);
  const int pid = os::fork_process();
  if (pid == 0) {
    starting.release();  // it is a new mutex here
    ours.reset();
    parent_line.reset();
    copy.live(std::move(theirs), std::move(child_line), std::move(crash_file), body);
  }
  unhandled.reset();
  theirs.reset();
  child_line.reset();
  unique_fd pidfd;
  try {
    pidfd = os::open_pidfd(pid);
  } catch (...) {
    os::kill_by_pid(pid);
    throw;
  }
  auto started = std::make_shared<child>(pid, std::move(pidfd), channel(std::move(ours)), std::move(parent_line),
                                         name.name, options.daemon, role);
  started->set_crash_file(std::move(crash_file));
  started->set_copy();
  self.add_child(started);
  starting.unlock();
  if (!copy.awaited()) return started;
  try {
    release_copy(*started, role);
  } catch (...) {
    started->end({});
    throw;
  }
  return started;
}

std::shared_ptr<child> fork_child(const process_options& options, child_role role, parcel call) {
  auto started = fork_child(options, role, [&] {
    call.arrived();
    incoming_call task(std::move(call));
    if (role == child_role::call) {
      parcel outcome = run_to_outcome(task);
      link_to_parent().send(outcome_frame, outcome.bytes, outcome.fds);
      outcome.arrived();
    } else {
      writer ignored;
      task.run(ignored);
    }
  });
  call.arrived();
  return started;
}

}  // namespace kin::detail
