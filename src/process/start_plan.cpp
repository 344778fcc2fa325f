// SPDX-License-Identifier: BSL-1.0
// start_plan: see the header.
#include "process/start_plan.hpp"

#include <cerrno>

#include <kin/core/error.hpp>
#include <kin/wire/codec.hpp>

#include "os/descriptor_flags.hpp"
#include "os/memory_file.hpp"
#include "os/process_id.hpp"
#include "process/environment.hpp"
#include "process/processor_sharers.hpp"

namespace kin::detail {
namespace {

std::string checked(const std::filesystem::path& path, const char* option) {
  std::string text = path.string();
  if (text.find('\0') != std::string::npos)
    throw start_error("kin: process_options::" + std::string(option) + ": the path has a null character inside");
  return text;
}

void add_redirection(opened_output& output, int number, const redirect& where) {
  switch (where.which()) {
    case redirect::kind::inherit:
      return;
    case redirect::kind::descriptor:
      if (!os::is_open(where.descriptor()))
        throw os_error("redirect a child's output to descriptor " + std::to_string(where.descriptor()), "fcntl", EBADF);
      output.descriptors.emplace_back(number, where.descriptor());
      return;
    case redirect::kind::null:
      output.files.push_back(os::open_output("/dev/null", false));
      break;
    case redirect::kind::truncate:
    case redirect::kind::append:
      output.files.push_back(
          os::open_output(checked(where.file(), "out or err"), where.which() == redirect::kind::append));
      break;
  }
  output.descriptors.emplace_back(number, output.files.back().get());
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
  // SIGXCPU, which says why, and SIGKILL only for whoever goes on after it.
  if (wanted.cpu) {
    if (wanted.cpu->count() < 0) throw os_error("limit a child's CPU time to less than nothing", "setrlimit", EINVAL);
    const auto seconds = static_cast<rlim_t>(wanted.cpu->count());
    const rlim_t most = runtime::get().at_init().limits[RLIMIT_CPU].rlim_max;
    result.emplace_back(RLIMIT_CPU, rlimit{seconds, seconds < most ? seconds + 1 : seconds});
  }
  return result;
}

}  // namespace

opened_output open_redirections(const process_options& options) {
  opened_output output;
  add_redirection(output, 1, options.out);
  add_redirection(output, 2, options.err);
  return output;
}

// Not a pipe: a report longer than a pipe's room would wait for a reader who waits for its end.
unique_fd make_crash_file(child_role role) {
  return role == child_role::process ? unique_fd() : os::make_memory_file("kin-crash", 0);
}

introduction introduce(const process_options& options, child_role role, const runtime::child_name& name) {
  const runtime& self = runtime::get();
  const std::uint32_t sharers = options.environment.contains(cpu_count_variable) ? 1 : processor_sharers();
  return {role,          name.name, name.identity, self.name(), self.at_init().locale, options.daemon,
          os::own_pid(), {},        sharers};
}

os::launch_request launch_request_for(const process_options& options, child_role role, const opened_output& output) {
  runtime& self = runtime::get();
  os::launch_request request;
  request.inherited = &self.at_init();
  request.arguments = self.at_init().arguments;
  request.environment = child_environment(self.at_init().environment, options.environment);
  request.environment.push_back(entry_of({os::own_pid(), self.depth() + 1}));
  if (const auto worker = self.worker()) {
    request.environment.push_back(library_entry(worker->library));
    request.executable = worker->executable;
  }
  request.working_directory = checked(options.working_directory, "working_directory");
  request.descriptors = output.descriptors;
  request.limits = limits_of(options.limits);
  request.affinity = options.affinity;
  request.own_process_group = role == child_role::service;
  return request;
}

os::image_changes image_changes_for(const process_options& options, child_role role, const opened_output& output) {
  const os::surroundings& at_init = runtime::get().at_init();
  os::image_changes changes;
  if (!options.environment.empty()) changes.environment = child_environment(at_init.environment, options.environment);
  changes.working_directory = checked(options.working_directory, "working_directory");
  changes.descriptors = output.descriptors;
  changes.limits = limits_of(options.limits);
  changes.affinity = options.affinity;
  changes.own_process_group = role == child_role::service;
  changes.inherited = &at_init;
  return changes;
}

parcel encode_refusal(const os::refused_change& refused) {
  writer to;
  to(refused.doing, refused.call, refused.error);
  return to.take();
}

void throw_refusal(parcel message) {
  reader from(message);
  std::string doing, call;
  int error = 0;
  from(doing, call, error);
  if (call.empty()) throw start_error(doing);
  throw os_error(doing, call.c_str(), error);
}

std::string text_of_refusal(parcel message) {
  try {
    throw_refusal(std::move(message));
  } catch (const error& e) {
    return e.what();
  }
}

}  // namespace kin::detail
