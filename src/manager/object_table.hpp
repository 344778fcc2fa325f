// SPDX-License-Identifier: BSL-1.0
// object_table: the objects of the server that this process is, by number, and what keeps them besides clients: the
// tokens of proxies that are on their way.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include <kin/manager/hosted_object.hpp>
#include <kin/os/unique_fd.hpp>

#include "manager/session_frames.hpp"
#include "os/event_fd.hpp"

namespace kin::detail {

/// Thread-safe. An object lives as long as somebody has a shared_ptr to it; the table has none.
class object_table {
 public:
  /// `door` is the clients' end.
  object_table(const server_id& server, unique_fd door) : server_(server), door_(std::move(door)) {}

  /// Null unless this process is a server.
  static object_table* here() noexcept;
  static void set_here(object_table* table) noexcept;

  [[nodiscard]] const server_id& server() const noexcept { return server_; }
  [[nodiscard]] int door() const noexcept { return door_.get(); }

  void add(const std::shared_ptr<hosted>& object);
  /// Throws decode_error.
  [[nodiscard]] std::shared_ptr<hosted> find(std::uint64_t number) const;
  /// Null when there is none.
  [[nodiscard]] std::shared_ptr<hosted> look_up(std::uint64_t number) const noexcept;
  void remove(std::uint64_t number) noexcept;
  [[nodiscard]] std::size_t size() const;

  /// Keeps the object until the pipe hangs up.
  void hold(std::shared_ptr<hosted> object, unique_fd pipe);
  /// For the thread that polls: set when there are new tokens; then the pipes to poll, and at a hang-up drop().
  [[nodiscard]] const os::event_fd& new_tokens() const noexcept { return new_tokens_; }
  [[nodiscard]] std::vector<int> pipes() const;
  void drop(int pipe) noexcept;
  [[nodiscard]] std::size_t tokens() const;

 private:
  struct token {
    unique_fd pipe;
    std::shared_ptr<hosted> object;
  };
  const server_id server_;
  const unique_fd door_;
  mutable std::mutex mutex_;
  std::uint64_t last_number_ = 0;
  std::unordered_map<std::uint64_t, std::weak_ptr<hosted>> objects_;
  std::unordered_map<int, token> tokens_;
  os::event_fd new_tokens_;
};

}  // namespace kin::detail
