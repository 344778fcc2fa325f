// SPDX-License-Identifier: BSL-1.0
// starter: start_child (spawn by re-exec, through the spawner thread) and fork_child (in the calling thread).
#include <clocale>
#include <csignal>
#include <cstdio>
#include <mutex>

#include <kin/core/error.hpp>
#include <kin/process/child.hpp>
#include <kin/process/init.hpp>
#include <kin/wire/call.hpp>
#include <kin/wire/codec.hpp>
#include <kin/wire/outcome.hpp>

#include "memory/family.hpp"
#include "os/crash_handler.hpp"
#include "os/launch.hpp"
#include "os/lifeline.hpp"
#include "os/memory_file.hpp"
#include "os/own_image.hpp"
#include "os/pidfd.hpp"
#include "os/process_id.hpp"
#include "os/socket.hpp"
#include "process/bootstrap.hpp"
#include "process/environment.hpp"
#include "process/runtime.hpp"
#include "process/spawner.hpp"

namespace kin::detail {
namespace {

// A file opened for a redirection lives until the child has its own copy.
struct opened_output {
  std::vector<std::pair<int, int>> descriptors;
  std::vector<unique_fd> files;
};

void add_redirection(opened_output& output, int number, const redirect& where) {
  switch (where.which()) {
    case redirect::kind::inherit:
      return;
    case redirect::kind::descriptor:
      output.descriptors.emplace_back(number, where.descriptor());
      return;
    case redirect::kind::null:
      output.files.push_back(os::open_output("/dev/null", false));
      break;
    case redirect::kind::truncate:
    case redirect::kind::append:
      output.files.push_back(os::open_output(where.file().string(), where.which() == redirect::kind::append));
      break;
  }
  output.descriptors.emplace_back(number, output.files.back().get());
}

opened_output open_redirections(const process_options& options) {
  opened_output output;
  add_redirection(output, 1, options.out);
  add_redirection(output, 2, options.err);
  return output;
}

std::vector<std::pair<int, rlimit>> limits_of(const kin::limits& wanted) {
  std::vector<std::pair<int, rlimit>> result;
  const auto add = [&](int resource, std::optional<std::uint64_t> value) {
    if (value) result.emplace_back(resource, rlimit{*value, *value});
  };
  add(RLIMIT_AS, wanted.memory);
  add(RLIMIT_NOFILE, wanted.open_files);
  add(RLIMIT_FSIZE, wanted.file_size);
  add(RLIMIT_CORE, wanted.core_size);
  if (wanted.cpu) add(RLIMIT_CPU, static_cast<std::uint64_t>(wanted.cpu->count()));
  return result;
}

// Not a pipe: a report longer than a pipe's room would wait for a reader who waits for its end.
unique_fd make_crash_file(child_role role) {
  return role == child_role::process ? unique_fd() : os::make_memory_file("kin-crash", 0);
}

introduction introduce(const process_options& options, child_role role, const runtime::child_name& name) {
  const runtime& self = runtime::get();
  return {role, name.name, name.identity, self.name(), self.at_init().locale, options.daemon, os::own_pid()};
}

os::launch_request launch_request_for(const process_options& options, child_role role, const opened_output& output) {
  const runtime& self = runtime::get();
  os::launch_request request;
  request.inherited = &self.at_init();
  request.arguments = self.at_init().arguments;
  request.environment =
      child_environment(self.at_init().environment, options.environment, {os::own_pid(), self.depth() + 1});
  request.working_directory = options.working_directory.string();
  request.descriptors = output.descriptors;
  request.limits = limits_of(options.limits);
  request.affinity = options.affinity;
  request.own_process_group = role == child_role::service;
  return request;
}

os::image_changes image_changes_for(const process_options& options, child_role role, const opened_output& output) {
  os::launch_request same = launch_request_for(options, role, output);
  same.environment.pop_back();  // the mark: a copy is a child without it
  return {std::move(same.environment),
          std::move(same.working_directory),
          std::move(same.descriptors),
          std::move(same.limits),
          std::move(same.affinity),
          same.own_process_group,
          same.inherited};
}

}  // namespace

std::shared_ptr<child> start_child(const process_options& options, child_role role, parcel call) {
  runtime& self = runtime::get();
  self.require_initialised();
  if (options.start == start::fork) return fork_child(options, role, std::move(call));
  const auto name = self.next_child_name(options.name);
  const opened_output output = open_redirections(options);
  const parcel who = encode_introduction(introduce(options, role, name));
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
    started->link().send(introduction_frame, who.bytes);
    started->link().send(call_frame, call.bytes, call.fds);
  } catch (const closed_error&) {
    // It has died already (a missing library, a limit too low): its exit status says so.
  } catch (...) {
    started->end({});
    throw;
  }
  return started;
}

namespace {

// What a copy of this process does from fork on.
class forked_copy {
 public:
  forked_copy(child_role role, introduction who, os::image_changes changes)
      : role_(role), who_(std::move(who)), changes_(std::move(changes)) {}

  [[noreturn]] void live(unique_fd channel_end, unique_fd lifeline, unique_fd crash_file,
                         const std::function<void()>& body) {
    int code = 126;
    try {
      os::arm_lifeline(std::move(lifeline));
      set_link_to_parent(channel(std::move(channel_end)));
      // Waits until the parent holds the pidfd: with SIGCHLD ignored, a child that has ended leaves no trace.
      link_to_parent().take();
      if (become_child()) {
        os::on_exit_of_copy(&end);
        if (crash_file) os::report_crashes_to(crash_file.release());
        code = run_in_role(role_, who_.name, body);
      }
    } catch (const closed_error&) {
      code = 127;  // the parent died first
    } catch (const std::exception& e) {
      std::fprintf(stderr, "kin: a forked process could not begin: %s\n", e.what());
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
  bool become_child() {
    runtime& self = runtime::get();
    std::optional<parent_identity> parent(parent_identity{who_.parent_pid, who_.parent_name, {}});
    try {
      parent->pidfd = os::open_pidfd(who_.parent_pid);
    } catch (const os_error&) {
      // It is about to end, or a sandbox refuses pidfd_open: parent_process() then knows less.
    }
    self.become(who_.name, who_.identity, who_.daemon, std::move(parent));
    if (!who_.locale.empty()) std::setlocale(LC_ALL, who_.locale.c_str());
    if (const auto refused = os::change_own_image(changes_)) {
      writer to;
      to(refused->doing, refused->call, refused->error);
      link_to_parent().send(refused_frame, to.take().bytes);
      return false;
    }
    if (role_ == child_role::service) std::signal(SIGINT, SIG_IGN);
    link_to_parent().send(hello_frame, {});
    return true;
  }

  const child_role role_;
  const introduction who_;
  const os::image_changes changes_;
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
    reader from(message);
    std::string doing, call;
    int error = 0;
    from(doing, call, error);
    copy.join(deadline::never());
    throw os_error(doing, call.c_str(), error);
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
  forked_copy copy(role, introduce(options, role, name), image_changes_for(options, role, output));
  (void)family::link();  // so that the copy belongs to it

  std::unique_lock starting(self.starting());
  auto [ours, theirs] = os::socket_pair();
  auto [child_line, parent_line] = os::make_lifeline();
  unique_fd crash_file = make_crash_file(role);
  const int pid = os::fork_process();
  if (pid == 0) {
    starting.release();  // it is a new mutex here
    ours.reset();
    parent_line.reset();
    copy.live(std::move(theirs), std::move(child_line), std::move(crash_file), body);
  }
  theirs.reset();
  child_line.reset();
  unique_fd pidfd;
  try {
    pidfd = os::open_pidfd(pid);
  } catch (...) {
    ours.reset();  // the child sees the end of file and leaves
    os::reap_by_pid(pid);
    throw;
  }
  auto started = std::make_shared<child>(pid, std::move(pidfd), channel(std::move(ours)), std::move(parent_line),
                                         name.name, options.daemon, role);
  started->set_crash_file(std::move(crash_file));
  self.add_child(started);
  starting.unlock();
  try {
    release_copy(*started, role);
  } catch (...) {
    started->end({});
    throw;
  }
  return started;
}

std::shared_ptr<child> fork_child(const process_options& options, child_role role, parcel call) {
  return fork_child(options, role, [&] {
    incoming_call task(std::move(call));
    if (role == child_role::call) {
      const parcel outcome = run_to_outcome(task);
      link_to_parent().send(outcome_frame, outcome.bytes, outcome.fds);
    } else {
      writer ignored;
      task.run(ignored);
    }
  });
}

}  // namespace kin::detail
