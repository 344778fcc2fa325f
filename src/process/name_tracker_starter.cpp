// SPDX-License-Identifier: BSL-1.0
// name_tracker_starter: see the header.
#include "process/name_tracker_starter.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <kin/core/error.hpp>

#include "memory/name_tracker.hpp"
#include "os/launch.hpp"
#include "os/packet.hpp"
#include "os/pidfd.hpp"
#include "os/poll.hpp"
#include "os/process_id.hpp"
#include "os/surroundings.hpp"
#include "process/bootstrap.hpp"
#include "process/environment.hpp"
#include "process/runtime.hpp"

namespace kin::detail {
namespace {

constexpr const char* doing = "start the process that removes the names of shared memory";
constexpr int root_fd = lifeline_fd, book_fd = family_fd;
// The root's other business waits meanwhile.
constexpr std::chrono::seconds tracker_patience{10};

// Only for the moment: it goes on in a copy, which is nobody's child.
class short_child {
 public:
  explicit short_child(const os::launch_request& request) : child_(os::launcher().launch(request)) {}
  short_child(const short_child&) = delete;
  short_child& operator=(const short_child&) = delete;
  ~short_child() {
    try {
      if (!os::wait_for_end(child_.pidfd.get(), deadline::after(tracker_patience)))
        os::send_signal(child_.pidfd.get(), SIGKILL);
      os::wait_for_end(child_.pidfd.get(), deadline::never());
      os::reap(child_.pidfd.get());
    } catch (const std::exception&) {
      // Without memory: it is a zombie until this process ends.
    }
  }

 private:
  os::launched child_;
};

// By this thread and not by the spawner's, whose locks may not be waited for here. Takes no lock.
unique_fd start_one(const std::optional<worker_program>& worker, int book) {
  const os::surroundings& at_init = runtime::get().at_init();
  auto [ours, theirs] = os::packet_pair();
  const unique_fd root = os::open_pidfd(os::own_pid());
  os::launch_request request;
  request.inherited = &at_init;
  request.arguments = {"kin-names"};  // who looks for this program by its words is not to find two
  request.environment = child_environment(at_init.environment, {});
  request.environment.push_back(entry_of({os::own_pid(), name_tracker_depth}));
  if (worker) {
    request.environment.push_back(library_entry(worker->library));
    request.executable = worker->executable;
  }
  request.working_directory = std::string(1, '/');  // of a literal g++ 12 warns here, at -O2, wrongly
  request.descriptors = {{channel_fd, theirs.get()}, {root_fd, root.get()}, {book_fd, book}};
  const short_child started(request);
  theirs.reset();
  if (!os::poll_until(ours.get(), POLLIN, deadline::after(tracker_patience))) throw os_error(doing, "poll", ETIMEDOUT);
  char word = 0;
  if (os::recv_packet(ours.get(), std::as_writable_bytes(std::span(&word, 1)), os::packet_wait::no).size == 0)
    throw os_error(doing, "recvmsg", ECONNRESET);
  return std::move(ours);
}

}  // namespace

void let_names_be_tracked() {
  if (os::runs_with_raised_privileges()) return;  // which another, started by exec, would have again
  name_tracker::start_by([worker = runtime::get().worker()](int book) { return start_one(worker, book); });
}

void become_name_tracker() noexcept { run_name_tracker(unique_fd(channel_fd), unique_fd(root_fd), unique_fd(book_fd)); }

}  // namespace kin::detail
