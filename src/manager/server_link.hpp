// SPDX-License-Identifier: BSL-1.0
// server_link: a process as client of one manager's server: as many sessions as it has calls at the same time, and one
// for what is said about references, which is never held up by a call.
//
// Invariant: one link per server and process. A forked copy begins anew; its copies of old links are only buried.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include <kin/os/unique_fd.hpp>
#include <kin/wire/parcel.hpp>

#include "manager/session_frames.hpp"
#include "manager/session_socket.hpp"

namespace kin::detail {

/// Thread-safe. Everything but release() throws closed_error when the server has ended.
class server_link {
 public:
  server_link(const server_id& server, unique_fd door);

  [[nodiscard]] const server_id& server() const noexcept { return server_; }
  /// The clients' end of the door: travels with every proxy.
  [[nodiscard]] int door() const noexcept { return door_.get(); }

  [[nodiscard]] bool ended() const noexcept;

  /// One call and its outcome.
  parcel run(const parcel& request);
  /// The server is to keep the object until the pipe hangs up. In order with adopt() and release().
  void hold(std::uint64_t object, unique_fd pipe);
  /// This process has one more reference. `token` is the pipe's other end: while it travels, the object is kept.
  void adopt(std::uint64_t object, unique_fd token);
  /// The same, waiting for the answer; false when there is no such object any more.
  bool adopt_and_wait(std::uint64_t object);
  /// Returns when the server knows all that this process has said about references.
  void settle() { adopt_and_wait(0); }
  /// This process has one reference fewer. Waits for a server that does not listen, 2 s at most, and then no more.
  void release(std::uint64_t object) noexcept;

 private:
  std::unique_ptr<session_socket> check_out();
  void check_in(std::unique_ptr<session_socket> session);
  session_socket& control(deadline until = deadline::never());
  void say_unsaid(channel& to, deadline until);
  void say(std::uint64_t what, std::uint64_t object, std::span<const unique_fd> fds);

  const server_id server_;
  const unique_fd door_;
  const std::uint64_t client_;
  std::mutex idle_mutex_;
  std::vector<std::unique_ptr<session_socket>> idle_;
  std::mutex control_mutex_;
  std::unique_ptr<session_socket> control_;
  std::unique_ptr<session_socket> asked_;  // to be the next control_, when the server has answered
  bool does_not_listen_ = false;           // when something was last released
  std::vector<std::uint64_t> unsaid_;      // objects that it has not been told of since then
};

/// Changes in a forked copy of the process.
unsigned process_generation() noexcept;
/// The link of this process to that server; made with `door` if there is none.
std::shared_ptr<server_link> link_to(const server_id& server, unique_fd door);
/// Takes a link of the process that this one is a forked copy of; it is never touched again.
void bury(std::shared_ptr<server_link> link) noexcept;
/// Held while handles are made known to the server in a forked copy. Never copied locked.
std::mutex& adoption_mutex();

}  // namespace kin::detail
