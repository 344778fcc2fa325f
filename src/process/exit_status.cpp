// SPDX-License-Identifier: BSL-1.0
// exit_status and worker_lost: their texts.
#include <kin/process/exit_status.hpp>

#include <cstring>

#include <kin/process/worker_lost.hpp>
#include <kin/wire/codec.hpp>
#include <kin/wire/remote.hpp>

namespace kin {

std::string exit_status::describe() const {
  if (signal != 0) {
    const char* abbreviation = ::sigabbrev_np(signal);
    const char* description = ::sigdescr_np(signal);
    std::string text = "killed by ";
    text += abbreviation ? std::string("SIG") + abbreviation : "signal " + std::to_string(signal);
    if (description) text += std::string(" (") + description + ")";
    if (core_dumped) text += ", core dumped";
    return text;
  }
  if (!known && code < 0)
    return "ended; its exit status was taken by another waitpid(-1), or SIGCHLD is ignored in this program";
  return "exit code " + std::to_string(code);
}

namespace {
std::string story(const std::string& task, int pid, const exit_status& status, const std::string& details) {
  std::string text =
      "kin: the process " + std::to_string(pid) + " that ran " + task + " was lost: " + status.describe();
  if (status.known) {
    text += " (";
    if (status.peak_memory > 0) text += "peak memory " + std::to_string(status.peak_memory >> 20) + " MiB, ";
    text += "CPU time " + std::to_string(status.cpu_time().count() / 1000) + " ms)";
  }
  if (!details.empty()) text += "\n" + details;
  return text;
}
}  // namespace

worker_lost::worker_lost(std::string task, int pid, exit_status status, std::string details)
    : error(story(task, pid, status, details)),
      task_(std::move(task)),
      pid_(pid),
      status_(status),
      details_(std::move(details)) {}
worker_lost::~worker_lost() = default;

// A task may itself lose a worker, of a pool of its own: that loss crosses like any other exception.
template <>
struct codec<worker_lost> {
  static void encode(writer& out, const worker_lost& e) {
    const exit_status& s = e.status();
    out(e.task(), e.pid(), s.code, s.signal, s.core_dumped, s.known, s.peak_memory, s.user_time, s.system_time,
        e.details());
  }
  static worker_lost decode(reader& in) {
    std::string task, details;
    int pid = -1;
    exit_status s;
    in(task, pid, s.code, s.signal, s.core_dumped, s.known, s.peak_memory, s.user_time, s.system_time, details);
    return {std::move(task), pid, s, std::move(details)};
  }
};

namespace {
const transportable<worker_lost> registration;
}

}  // namespace kin
