// SPDX-License-Identifier: BSL-1.0
// manager: the server's process as its owner knows it; see the header.
#include <kin/manager/manager.hpp>

#include <chrono>
#include <csignal>
#include <mutex>
#include <random>

#include <kin/core/error.hpp>
#include <kin/process/child.hpp>
#include <kin/wire/call.hpp>

#include "manager/manager_server.hpp"
#include "manager/object_reference.hpp"
#include "os/socket.hpp"

namespace kin {

namespace detail {

struct manager_state {
  std::shared_ptr<child> process;
  object_handle server;
  unsigned generation = process_generation();
  std::mutex ending;
};

}  // namespace detail

namespace {

constexpr std::chrono::seconds stop_patience{2};

detail::server_id draw_server() {
  std::random_device random;
  const auto word = [&] { return (std::uint64_t{random()} << 32) | random(); };
  return {word(), word()};
}

std::unique_ptr<detail::manager_state> start_server(const process_options& options) {
  const detail::server_id id = draw_server();
  auto [door, way_in] = os::packet_socket_pair();
  auto call = detail::encode_call(&detail::manager_server_main, id, door, way_in);
  auto state = std::make_unique<detail::manager_state>();
  state->process = detail::start_child(options, detail::child_role::service, std::move(call));
  state->server = detail::object_handle(std::make_shared<detail::object_reference>(
      detail::link_to(id, std::move(way_in)), detail::object_reference::the_server));
  return state;
}

}  // namespace

manager::manager() : manager(process_options{}) {}
manager::manager(const process_options& options) : state_(start_server(options)) {}
manager::manager(manager&& other) noexcept = default;
manager& manager::operator=(manager&& other) noexcept {
  if (this != &other) {
    shutdown();
    state_ = std::move(other.state_);
  }
  return *this;
}
manager::~manager() { shutdown(); }

void manager::shutdown() noexcept {
  if (!state_ || state_->generation != detail::process_generation()) return;
  try {
    const std::lock_guard hold(state_->ending);
    state_->process->link().close();
    if (!state_->process->join(deadline::after(stop_patience))) state_->process->signal(SIGKILL);
  } catch (...) {
    // end() has the last word.
  }
  state_->process->end({});
}

const detail::object_handle& manager::server() const {
  if (!state_) throw closed_error("kin: this kin::manager has been moved from");
  return state_->server;
}

manager_stats manager::stats() const {
  server().get().link()->settle();
  return detail::run_in_server(server(), &detail::manager_server::stats);
}
int manager::pid() const { return (void)server(), state_->process->pid(); }
int manager::native_handle() const { return (void)server(), state_->process->pidfd(); }

}  // namespace kin
