// SPDX-License-Identifier: BSL-1.0
// session_socket: see the header.
#include "manager/session_socket.hpp"

#include <array>
#include <span>

#include <kin/core/error.hpp>

#include "manager/session_frames.hpp"
#include "os/socket.hpp"

namespace kin::detail {

// The descriptors in use, in a list that only grows, so that a forked copy can read it whatever other threads of the
// original were doing at that moment. Places are used again.
struct session_socket::place {
  std::atomic<int> fd{-1};
  std::atomic<bool> taken{true};
  place* next = nullptr;
  static std::atomic<place*>& first() {
    static std::atomic<place*> list{nullptr};
    return list;
  }
  static place& find() {
    for (place* p = first().load(); p; p = p->next)
      if (!p->taken.exchange(true)) return *p;
    auto* fresh = new place;
    fresh->next = first().load();
    while (!first().compare_exchange_weak(fresh->next, fresh)) {
    }
    return *fresh;
  }
};

namespace {

unique_fd knock(int door, std::uint64_t client) {
  auto [ours, theirs] = os::socket_pair();
  const door_knock message{knock_mark, client};
  const int fd = theirs.get();
  if (!os::send_all(door, std::as_bytes(std::span(&message, 1)), std::span(&fd, 1), deadline::never()))
    throw closed_error("kin: the manager's server has ended");
  return std::move(ours);
}

}  // namespace

session_socket::session_socket(int door, std::uint64_t client) : place_(place::find()), channel_(unique_fd{}) {
  try {
    channel_ = channel(knock(door, client));
  } catch (...) {
    place_.taken = false;
    throw;
  }
  place_.fd = channel_.native_handle();
}

session_socket::~session_socket() {
  place_.fd = -1;
  channel_.close();
  place_.taken = false;
}

void session_socket::close_all_copies() noexcept {
  for (place* p = place::first().load(); p; p = p->next) {
    unique_fd(p->fd.exchange(-1)).reset();
    p->taken = false;
  }
}

}  // namespace kin::detail
