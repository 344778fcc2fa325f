// SPDX-License-Identifier: BSL-1.0
// child: a started process as its parent knows it; the one state behind process, async results and pool workers.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <kin/core/deadline.hpp>
#include <kin/core/export.hpp>
#include <kin/os/unique_fd.hpp>
#include <kin/process/exit_status.hpp>
#include <kin/process/process_options.hpp>
#include <kin/transport/channel.hpp>
#include <kin/wire/parcel.hpp>

namespace kin::detail {

class fork_server;

/// What a child is for; decides what happens to an exception and to SIGINT.
enum class child_role : unsigned char {
  process,      ///< prints an uncaught exception, exits 1
  call,         ///< sends the outcome of its call back over the channel
  service,      ///< serves until its channel closes; ignores SIGINT; has a process group of its own
  fork_server,  ///< keeps copies of itself ready to become children
};

/// Thread-safe. Owns the pidfd and the channel to the child. Whoever drops the last reference must have seen it end.
class KIN_EXPORT child {
 public:
  child(int pid, unique_fd pidfd, channel to_child, unique_fd lifeline, std::string name, bool daemon, child_role role,
        std::uint64_t booked_memory = 0);
  child(const child&) = delete;
  child& operator=(const child&) = delete;
  ~child();

  [[nodiscard]] int pid() const noexcept { return pid_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] bool daemon() const noexcept { return daemon_; }
  [[nodiscard]] int pidfd() const noexcept { return pidfd_.get(); }
  /// True when it has ended before the deadline; takes its status then. Any number of threads may wait.
  bool join(deadline until);
  /// Empty while it runs.
  std::optional<exit_status> status();
  /// False when it had ended. Never reaches a process that got the same pid later.
  bool signal(int number);
  /// The same for its process group: for a child of role service, which leads one.
  bool signal_group(int number);
  /// SIGTERM, `patience`, SIGKILL, join. Never throws.
  void end(std::chrono::nanoseconds patience) noexcept;
  /// The parent's end of the channel: the child's end is its descriptor 3.
  channel& link() noexcept { return channel_; }
  /// Where a worker's crash handler writes. Set before anybody else knows the child.
  void set_crash_file(unique_fd file) noexcept { crash_file_ = std::move(file); }
  /// For a child that `server` has forked: it takes the status, and tells it. Set before anybody else knows the child.
  void set_server(std::shared_ptr<fork_server> server, std::uint64_t serial) noexcept;
  /// For a copy of this process: it cannot have missed kin::init(), and says hello only where somebody waits for it.
  /// Set before anybody else knows the child.
  void set_copy() noexcept { greeted_ = true; }
  /// The stack of a worker that crashed, by name, cut at its task's entry; empty for other ends. After join().
  [[nodiscard]] std::string crash_report() const;
  /// In a forked copy of the parent: closes what would keep the parent's child from noticing the parent's death.
  void abandon() noexcept;

 private:
  void take_status();
  [[nodiscard]] exit_status final_status();
  void require_owner() const;

  const int pid_;
  const int owner_;  // the process whose child this is; a forked copy of us must not wait for it
  unique_fd pidfd_;
  channel channel_;
  unique_fd lifeline_;    // the child is killed by the kernel when the last copy of this is closed
  unique_fd crash_file_;  // empty for plain processes
  const std::string name_;
  const bool daemon_;
  const child_role role_;
  std::shared_ptr<fork_server> server_;  // empty for children that this process has started itself
  bool greeted_ = false;                 // its hello is not to be looked for
  std::uint64_t serial_ = 0;             // the child's number with the server
  const std::uint64_t booked_memory_;    // what of its peak memory may be its parent's
  std::mutex mutex_;
  std::optional<exit_status> status_;
};

/// Starts a child that runs `call` (made by encode_call), by the method that the options say. Throws start_error,
/// os_error, encode_error; nothing is left behind then.
KIN_EXPORT std::shared_ptr<child> start_child(const process_options& options, child_role role, parcel call);
/// start::fork: the child is a copy of this process and runs `body`. Call in the thread that is to be copied.
KIN_EXPORT std::shared_ptr<child> fork_child(const process_options& options, child_role role,
                                             const std::function<void()>& body);
/// start::forkserver: the child is a copy of the server's image.
KIN_EXPORT std::shared_ptr<child> serve_child(const process_options& options, child_role role, parcel call);
/// Like fork_child, for a call that was encoded; lets every noun offer all start methods.
KIN_EXPORT std::shared_ptr<child> fork_child(const process_options& options, child_role role, parcel call);

}  // namespace kin::detail
