// SPDX-License-Identifier: BSL-1.0
// readiness: a descriptor that is readable while a socket is, or while its owner says so. What pollers of a connection
// see; made when somebody first asks for it.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>

#include <kin/os/unique_fd.hpp>

#include "os/event_fd.hpp"
#include "os/watch_set.hpp"

namespace kin::detail {

class readiness {
 public:
  /// Whether somebody has asked. Then the lock is held for every change below.
  [[nodiscard]] bool in_use() const noexcept { return in_use_.load(std::memory_order_acquire); }
  [[nodiscard]] std::unique_lock<std::mutex> lock() { return std::unique_lock(mutex_); }
  /// Throws os_error; then it is not in use.
  void begin(int socket);
  /// The same for one that is readable only when nobody has the other end any more.
  void begin_for_end(int socket);
  [[nodiscard]] int native_handle() const noexcept { return watched_->native_handle(); }
  /// Readable, whatever the socket is.
  void set() noexcept;
  /// Readable only if the socket is.
  void clear() noexcept;

 private:
  std::mutex mutex_;
  std::atomic<bool> in_use_{false};
  std::optional<os::watch_set> watched_;
  std::optional<os::event_fd> said_;
  bool is_set_ = false;
};

}  // namespace kin::detail
