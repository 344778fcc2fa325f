// SPDX-License-Identifier: BSL-1.0
// bootstrap: see the header.
#include "process/bootstrap.hpp"

#include <cxxabi.h>

#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>

#include <kin/core/error.hpp>
#include <kin/core/log.hpp>
#include <kin/wire/call.hpp>
#include <kin/wire/codec.hpp>
#include <kin/wire/outcome.hpp>

#include "memory/family.hpp"
#include "os/crash_handler.hpp"
#include "os/descriptor_flags.hpp"
#include "os/lifeline.hpp"
#include "os/memory_use.hpp"
#include "os/open_file.hpp"
#include "os/pidfd.hpp"
#include "process/exit_codes.hpp"
#include "process/fork_server_main.hpp"
#include "process/processor_sharers.hpp"
#include "process/runtime.hpp"
#include "process/start_plan.hpp"
#include "wire/task_place.hpp"

namespace kin::detail {
namespace {

// Leaked, like the runtime: exit handlers of the program may still use it.
channel*& link_slot() {
  static channel* link = nullptr;
  return link;
}
os::open_file link_file;  // a program that closes all it finds open may have got the number for a file of its own

bool began_by_exec = false;

// exit() in the task, a return and an exception all pass here: the parent learns the code even when a foreign
// waitpid(-1) takes the status.
bool code_is_told = false;
void say_code_at_exit(int code, void*) {
  if (code_is_told) say_exit_code(code);
}

}  // namespace

parcel encode_introduction(const introduction& who) {
  writer to;
  to(static_cast<int>(who.role), who.name, who.identity, who.parent_name, who.locale, who.daemon, who.parent_pid,
     who.task, who.sharers);
  return to.take();
}

introduction decode_introduction(parcel message) {
  reader from(message);
  introduction who;
  int role = 0;
  from(role, who.name, who.identity, who.parent_name, who.locale, who.daemon, who.parent_pid, who.task, who.sharers);
  from.finish();
  who.role = role_of(role);
  return who;
}

child_role role_of(int number) {
  if (number < 0 || number > static_cast<int>(child_role::fork_server))
    throw decode_error("kin: a child was given no role");
  return static_cast<child_role>(number);
}

channel& link_to_parent() {
  if (!link_slot()) throw std::logic_error("kin: this process has no parent that kin knows");
  return *link_slot();
}

void set_link_to_parent(channel c) {
  link_file = os::file_behind(c.native_handle());
  if (link_slot()) {
    *link_slot() = std::move(c);
    return;
  }
  link_slot() = new channel(std::move(c));
  // A copy that the user forks is not the child that its parent's parent knows: it must not speak for it.
  runtime::get().on_fork([] { link_slot()->close(); });
}

void prepare_exit() {
  static const bool registered = ::on_exit(&say_code_at_exit, nullptr) == 0;
  (void)registered;
}

void say_exit_code(int code) noexcept {
  try {
    writer to;
    to(code & 0xff, began_by_exec ? os::peak_resident_memory() : os::peak_since_fork());  // as wait(2) tells it
    const parcel message = to.take();
    if (channel* link = link_slot(); link && !link->closed() && os::file_behind(link->native_handle()) == link_file)
      link->send(exit_frame, message.bytes, {}, deadline::at(deadline::clock::time_point{}));  // without a wait
  } catch (...) {
    // The parent is gone or does not listen; nothing is owed to it then.
  }
}

// GCC hands over a null reference where pthread_exit is caught.
__attribute__((no_sanitize("null"))) int run_in_role(child_role role, const std::string& name,
                                                     const std::function<void()>& body) {
  try {
    body();
    return 0;
  } catch (abi::__forced_unwind&) {
    // It would go on through kin's frames, and may not be stopped.
    const std::string text = "Process " + name +
                             ":\nkin: pthread_exit() was called in the main thread of a child process; return from its "
                             "function, throw, or call std::exit()\n";
    std::fputs(text.c_str(), stderr);
    std::exit(1);
  } catch (...) {
    if (role == child_role::process || role == child_role::service) {
      const std::string text = "Process " + name + ":\n" + describe_exception(std::current_exception()) + "\n";
      std::fputs(text.c_str(), stderr);
    }
    return 1;
  }
}

void attach_to_family() {
  static bool attached = false;
  if (!std::exchange(attached, true)) family::attach(unique_fd(family_fd));
}

void say_why_not(channel& to_parent, const std::exception& why) noexcept {
  try {
    if (to_parent.closed())
      std::fprintf(stderr, "kin: a child process could not begin: %s\n", why.what());
    else
      to_parent.send(refused_frame, encode_refusal({why.what(), {}, 0}).bytes, {},
                     deadline::at(deadline::clock::time_point{}));
  } catch (...) {
    // Its exit code says as much as can be said.
  }
}

void run_spawned_child(unique_fd channel_end) {
  introduction who;
  parcel request;
  channel link(std::move(channel_end));
  try {
    os::arm_lifeline(unique_fd(lifeline_fd));
    attach_to_family();
    who = decode_introduction(link.take());
    if (!load_task_of(who, link)) std::_Exit(could_not_begin);
    link.send(hello_frame, {});
    if (who.role == child_role::fork_server) run_fork_server(std::move(link), who);
    began_by_exec = true;
    request = link.take();
    set_link_to_parent(std::move(link));
  } catch (const closed_error&) {
    std::_Exit(nobody_asks);  // the parent went away before it had said what to do
  } catch (const std::exception& e) {
    say_why_not(link_slot() ? *link_slot() : link, e);
    std::_Exit(could_not_begin);
  }
  unique_fd parent;
  try {
    parent = os::open_pidfd(who.parent_pid);
  } catch (const os_error&) {
    // It is about to end, or a sandbox refuses pidfd_open: parent_process() then knows less.
  }
  become_child(who, std::move(parent));
  if (who.role != child_role::process) {
    os::set_close_on_exec(crash_fd);
    os::report_crashes_to(crash_fd);
  }
  run_call_in_role(who, std::move(request));
}

bool load_task_of(const introduction& who, channel& to_parent) {
  if (who.task.empty()) return true;
  try {
    load_task(who.task);
    return true;
  } catch (const error& e) {
    to_parent.send(refused_frame, encode_refusal({e.what(), {}, 0}).bytes);
    return false;
  }
}

void become_child(const introduction& who, unique_fd parent_pidfd) {
  runtime::get().become(who.name, who.identity, who.daemon,
                        parent_identity{who.parent_pid, who.parent_name, std::move(parent_pidfd)});
  set_processor_sharers(who.sharers);
  if (!who.locale.empty()) std::setlocale(LC_ALL, who.locale.c_str());
  if (who.role == child_role::service) std::signal(SIGINT, SIG_IGN);
}

void run_call_in_role(const introduction& who, parcel request) {
  if (who.role == child_role::call) {
    incoming_call call(std::move(request));
    parcel outcome = run_to_outcome(call);
    try {
      link_to_parent().send(outcome_frame, outcome.bytes, outcome.fds);
      outcome.arrived();
    } catch (const closed_error&) {
      // Nobody waits for the answer any more.
    }
    std::exit(0);
  }
  prepare_exit();
  code_is_told = true;
  std::exit(run_in_role(who.role, who.name, [&] {
    incoming_call call(std::move(request));
    writer ignored;
    call.run(ignored);
  }));
}

void complete_from_last_words(channel& from_child, exit_status& status, bool greeted) noexcept {
  std::optional<int> code;
  std::uint64_t peak_memory = 0;
  try {
    while (!from_child.closed() && from_child.poll(deadline::now())) {
      const std::uint64_t kind = from_child.next().signature;
      if (kind != hello_frame && kind != exit_frame && kind != refused_frame)
        return;  // an answer that somebody else will take
      parcel message = from_child.take();
      if (kind == hello_frame) {
        greeted = true;
      } else if (kind == refused_frame) {
        log(log_record::severity::warning,
            "kin: a child process could not begin: " + text_of_refusal(std::move(message)));
      } else {
        reader from(message);
        code = from.take<int>();
        peak_memory = from.take<std::uint64_t>();
      }
    }
  } catch (const std::exception&) {
    // End of file, or damaged last words of a process that has ended: what is known by then is what there is.
  }
  if (!status.known && code) {
    status.code = *code;
    status.known = true;
  }
  if (status.peak_memory == 0) status.peak_memory = peak_memory;
  if (!greeted && status.known && status.code == 0) status.code = could_not_begin;
}

}  // namespace kin::detail
