// SPDX-License-Identifier: BSL-1.0
// fork_server: this process's end of its fork server: orders go out, exit statuses come back.
// The server is this program started again, an orphan with one thread, asleep in kin::init() beside a few spare copies
// of itself (process/fork_server_main.hpp). Its end and its children's are tied to this process by one lifeline.
//
// A server that was killed is replaced at the next order; children it had forked live on, but how they end is then told
// by themselves alone.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>

#include <kin/core/deadline.hpp>
#include <kin/os/unique_fd.hpp>
#include <kin/transport/channel.hpp>

#include "os/pidfd.hpp"
#include "process/start_order.hpp"

namespace kin::detail {

class fork_server {
 public:
  /// When functions of other libraries are looked for: by the server, once for all its copies, or by each at first use.
  enum class binding { at_start, lazily };
  /// Starts a server. Throws start_error, os_error.
  explicit fork_server(binding bind);
  fork_server(const fork_server&) = delete;
  fork_server& operator=(const fork_server&) = delete;
  ~fork_server();

  /// The running one; started when there is none, or only `bad`: one that an order got lost with, which may be dying.
  static std::shared_ptr<fork_server> current(const std::shared_ptr<fork_server>& bad = nullptr);

  /// Hands an order to whichever spare is first. False: the server and its spares are gone. Any thread.
  bool send(const order_packet& order, std::span<const int> descriptors);
  /// Has whoever took the order killed, now or when it does.
  void cancel(const order_packet& order) noexcept { tell(server_request::verb::cancel, order.number); }
  /// The status of a child that has ended; empty when the server is gone, or silent for so long that it must be
  /// stopped. Any thread.
  std::optional<os::ended_child> take_status(std::uint64_t serial);
  /// Nobody will ask for the status of this child, which has ended. Any thread.
  void forget(std::uint64_t serial) noexcept;
  [[nodiscard]] bool alive() const;
  /// Process id of the running one, or -1.
  static int current_pid();

  /// While it lives, and with runtime::starting() held when it is made: the channel is closed in a forked copy of this
  /// process.
  class closed_in_copy {
   public:
    explicit closed_in_copy(channel& c);
    closed_in_copy(const closed_in_copy&) = delete;
    closed_in_copy& operator=(const closed_in_copy&) = delete;
    ~closed_in_copy();

   private:
    channel& channel_;
  };
  [[nodiscard]] int pid() const noexcept { return pid_; }

 private:
  static void forget_all();
  static std::shared_ptr<fork_server> started();
  bool take_reports(deadline until);
  void tell(server_request::verb what, std::uint64_t number) noexcept;
  void abandon() noexcept;

  unique_fd orders_, control_, lifeline_, pidfd_;
  int pid_ = -1;
  std::array<unsigned, 4> credentials_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool reading_ = false;  // one thread reads the reports for all
  bool lost_ = false;
  std::map<std::uint64_t, server_report> reports_;
  std::set<std::uint64_t> forgotten_;  // whose reports are still to come
};

}  // namespace kin::detail
