// SPDX-License-Identifier: BSL-1.0
// exit_status and worker_lost: their texts.
#include <kin/process/exit_status.hpp>

#include <kin/process/worker_lost.hpp>
#include <kin/wire/codec.hpp>
#include <kin/wire/remote.hpp>

#include "os/signal_names.hpp"

namespace kin {

std::string exit_status::describe() const {
  if (signal != 0) {
    std::string text = "killed by " + os::signal_name(signal);
    if (const std::string meaning = os::signal_meaning(signal); !meaning.empty()) text += " (" + meaning + ")";
    if (core_dumped) text += ", core dumped";
    return text;
  }
  if (!known && code < 0)
    return "ended; its exit status was taken by another waitpid(-1), or SIGCHLD is ignored in this program";
  return "exit code " + std::to_string(code);
}

namespace {
std::string milliseconds(std::chrono::microseconds t) { return std::to_string(t.count() / 1000) + " ms"; }

std::string story(const std::string& task, int pid, const exit_status& status, const std::string& details,
                  std::chrono::microseconds run_time) {
  std::string text =
      "kin: the process " + std::to_string(pid) + " that ran " + task + " was lost: " + status.describe();
  std::string use;
  const auto also = [&](const std::string& what) { use += (use.empty() ? "" : ", ") + what; };
  if (run_time.count() > 0) also("the task ran for " + milliseconds(run_time));
  if (status.known && status.peak_memory > 0) also("peak memory " + std::to_string(status.peak_memory >> 20) + " MiB");
  if (status.known) also("CPU time of the process " + milliseconds(status.cpu_time()));
  if (!use.empty()) text += " (" + use + ")";
  if (!details.empty()) text += "\n" + details;
  return text;
}
}  // namespace

worker_lost::worker_lost(std::string task, int pid, exit_status status, std::string details,
                         std::chrono::microseconds run_time)
    : error(story(task, pid, status, details, run_time)),
      task_(std::move(task)),
      pid_(pid),
      status_(status),
      details_(std::move(details)),
      run_time_(run_time) {}
worker_lost::~worker_lost() = default;

// A task may itself lose a worker, of a pool of its own: that loss crosses like any other exception.
template <>
struct codec<worker_lost> {
  static void encode(writer& out, const worker_lost& e) {
    const exit_status& s = e.status();
    out(e.task(), e.pid(), s.code, s.signal, s.core_dumped, s.known, s.peak_memory, s.user_time, s.system_time,
        e.details(), e.run_time());
  }
  static worker_lost decode(reader& in) {
    std::string task, details;
    int pid = -1;
    exit_status s;
    std::chrono::microseconds run_time{};
    in(task, pid, s.code, s.signal, s.core_dumped, s.known, s.peak_memory, s.user_time, s.system_time, details,
       run_time);
    return {std::move(task), pid, s, std::move(details), run_time};
  }
};

namespace {
const transportable<worker_lost> registration;
}

}  // namespace kin
