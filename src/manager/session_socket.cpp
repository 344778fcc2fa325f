// SPDX-License-Identifier: BSL-1.0
// session_socket: see the header.
#include "manager/session_socket.hpp"

#include <array>
#include <span>
#include <vector>

#include <kin/core/error.hpp>
#include <kin/wire/codec.hpp>

#include "manager/session_frames.hpp"
#include "os/socket.hpp"

namespace kin::detail {

// The descriptors in use, in a list that only grows, so that a forked copy can read it whatever other threads of the
// original were doing at that moment. Places are used again.
struct session_socket::place {
  std::array<std::atomic<int>, 2> fds{-1, -1};
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

void knock(int door, std::span<const std::byte> message, std::span<const unique_fd> with) {
  std::vector<int> fds;
  for (const unique_fd& fd : with) fds.push_back(fd.get());
  if (!os::send_all(door, message, fds, deadline::never())) throw closed_error("kin: the manager's server has ended");
}

channel open_socket(int door, std::uint64_t client) {
  auto [ours, theirs] = os::socket_pair();
  const door_knock message{knock_mark, client};
  knock(door, std::as_bytes(std::span(&message, 1)), std::span(&theirs, 1));
  return channel(std::move(ours));
}

channel open_rings(int door, std::uint64_t client) {
  auto [ours, theirs] = channel::over_rings();
  writer message;
  message(pipe_knock_mark, client);
  theirs.pass(message);
  const parcel whole = message.take();
  knock(door, whole.bytes, whole.fds);
  return std::move(ours);
}

}  // namespace

session_socket::session_socket(int door, std::uint64_t client, over what)
    : place_(place::find()), channel_(unique_fd{}) {
  try {
    channel_ = what == over::rings ? open_rings(door, client) : open_socket(door, client);
    const std::vector<int> sockets = channel_.sockets();
    for (std::size_t i = 0; i < sockets.size(); ++i) place_.fds.at(i) = sockets[i];
  } catch (...) {
    for (auto& fd : place_.fds) fd = -1;
    place_.taken = false;
    throw;
  }
}

session_socket::~session_socket() {
  for (auto& fd : place_.fds) fd = -1;
  channel_.close();
  place_.taken = false;
}

void session_socket::close_all_copies() noexcept {
  for (place* p = place::first().load(); p; p = p->next) {
    for (auto& fd : p->fds) unique_fd(fd.exchange(-1)).reset();
    p->taken = false;
  }
}

}  // namespace kin::detail
