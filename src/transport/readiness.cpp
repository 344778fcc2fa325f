// SPDX-License-Identifier: BSL-1.0
// readiness: see the header.
#include "transport/readiness.hpp"

#include <cerrno>

#include <kin/core/error.hpp>

namespace kin::detail {

void readiness::begin(int socket) {
  os::event_fd said;
  os::watch_set watched;
  if (!watched.add(socket, 0) || !watched.add(said.get(), 1))
    throw os_error("make a connection pollable", "epoll_ctl", errno);
  said_.emplace(std::move(said));
  watched_.emplace(std::move(watched));
  in_use_.store(true, std::memory_order_release);
}

void readiness::begin_for_end(int socket) {
  os::watch_set watched;
  if (!watched.add_for_end(socket, 0)) throw os_error("make a connection pollable", "epoll_ctl", errno);
  watched_.emplace(std::move(watched));
  in_use_.store(true, std::memory_order_release);
}

void readiness::set() noexcept {
  if (!is_set_) said_->set();
  is_set_ = true;
}

void readiness::clear() noexcept {
  if (is_set_) said_->clear();
  is_set_ = false;
}

}  // namespace kin::detail
