// SPDX-License-Identifier: BSL-1.0
// manager_server: see the header.
#include "manager/manager_server.hpp"

#include <array>
#include <atomic>
#include <functional>
#include <span>
#include <system_error>
#include <vector>

#include <kin/core/error.hpp>
#include <kin/wire/codec.hpp>

#include "manager/server_session.hpp"
#include "manager/session_frames.hpp"
#include "os/own_process.hpp"
#include "os/poll.hpp"
#include "os/socket.hpp"
#include "os/surroundings.hpp"
#include "process/bootstrap.hpp"

namespace kin::detail {
namespace {
std::atomic<manager_server*> the_server{nullptr};
}

manager_server::manager_server(const server_id& server, unique_fd door, unique_fd way_in)
    : table_(server, std::move(way_in)), door_(std::move(door)) {
  object_table::set_here(&table_);
  the_server = this;
}

manager_server::~manager_server() {
  the_server = nullptr;
  object_table::set_here(nullptr);
}

void manager_server::serve(int parent) {
  os::allow_most_descriptors();  // a proxy on its way keeps some
  std::vector<pollfd> entries;
  for (;;) {
    entries = {{parent, POLLIN, 0}, {changed_.get(), POLLIN, 0}, {table_.new_tokens().get(), POLLIN, 0}};
    entries.push_back({door_.get(), POLLIN, 0});
    constexpr std::size_t first_pipe = 4;
    for (const int pipe : table_.pipes()) entries.push_back({pipe, 0, 0});  // a hang-up is always told
    os::poll_until(entries, deadline::never());
    if (entries[0].revents != 0) break;
    if (entries[1].revents != 0) join_ended_sessions();
    if (entries[2].revents != 0) table_.new_tokens().clear();
    for (const pollfd& pipe : std::span(entries).subspan(first_pipe))
      if (pipe.revents != 0) table_.drop(pipe.fd);
    if (entries[3].revents != 0) open_door();
  }
  door_.reset();
  {
    // A session that ends by itself at this moment may have closed its socket, and the number be another's: of the
    // sockets of a server that is ending, whichever it is.
    const std::lock_guard hold(mutex_);
    for (session& s : sessions_) {
      s.over = true;
      if (!s.ended)
        for (const int socket : s.sockets) os::shut_down(socket);
    }
  }
  for (session& s : sessions_) s.thread.join();
  for (const int pipe : table_.pipes()) table_.drop(pipe);
}

// Many processes write here, and each packet is judged alone: what is no knock is thrown away with its descriptors.
void manager_server::open_door() {
  std::array<std::byte, most_in_a_knock> message{};
  std::vector<unique_fd> fds;
  try {
    const os::io_result got = os::recv_some(door_.get(), message, fds);
    if (got.state == os::io_state::closed && fds.empty()) {
      // A packet of no bytes, or nobody outside has the door any more (or somebody has shut it down).
      if (os::poll_until(door_.get(), POLLRDHUP, deadline::now())) door_.reset();
      return;
    }
    reader in(std::span<const std::byte>(message.data(), got.bytes), fds);
    door_knock knock{};
    in(knock.mark, knock.client);
    if (knock.mark == knock_mark && got.bytes == sizeof knock && fds.size() == 1) {
      admit(channel(std::move(fds[0])), knock.client);
    } else if (knock.mark == pipe_knock_mark) {
      channel link = channel::passed(in);
      in.finish();
      if (link.readable() && link.writable()) admit(std::move(link), knock.client);
    }
  } catch (const std::exception&) {
    // What is no knock; or no descriptors, threads or memory left: this client sees the end of its session, the others
    // go on.
  }
}

void manager_server::admit(channel link, std::uint64_t number) {
  auto references = client(number);
  std::vector<int> sockets = link.sockets();
  const std::lock_guard hold(mutex_);
  session& s = sessions_.emplace_back();
  try {
    s.sockets = std::move(sockets);
    s.thread = std::thread(&manager_server::run_session, this, std::ref(s), std::move(link), std::move(references));
  } catch (...) {
    sessions_.pop_back();
    throw;
  }
}

void manager_server::run_session(session& s, channel link, std::shared_ptr<client_references> references) {
  const os::own_thread me("kin-session");
  os::own_thread::take_signals();  // as everybody's code may expect, and whatever it executes
  server_session(table_, std::move(link), std::move(references)).serve(s.over);
  const std::lock_guard hold(mutex_);
  s.ended = true;
  changed_.set();
}

void manager_server::join_ended_sessions() {
  changed_.clear();
  std::list<session> ended;
  {
    const std::lock_guard hold(mutex_);
    for (auto s = sessions_.begin(); s != sessions_.end();) {
      const auto next = std::next(s);
      if (s->ended) ended.splice(ended.end(), sessions_, s);
      s = next;
    }
  }
  for (session& s : ended) s.thread.join();
}

std::shared_ptr<client_references> manager_server::client(std::uint64_t number) {
  const std::lock_guard hold(mutex_);
  if (auto known = clients_[number].lock()) return known;
  std::erase_if(clients_, [](const auto& entry) { return entry.second.expired(); });
  auto fresh = std::make_shared<client_references>();
  clients_[number] = fresh;
  return fresh;
}

manager_stats manager_server::stats() {
  manager_server* here = the_server;
  if (!here) throw closed_error("kin: this process is not a manager's server");
  manager_stats now;
  now.objects = here->table_.size();
  now.in_flight = here->table_.tokens();
  const std::lock_guard hold(here->mutex_);
  for (const auto& [number, client] : here->clients_) now.clients += client.expired() ? 0 : 1;
  for (const session& s : here->sessions_) now.sessions += s.ended ? 0 : 1;
  return now;
}

void manager_server_main(server_id server, unique_fd door, unique_fd way_in) {
  manager_server here(server, std::move(door), std::move(way_in));
  here.serve(link_to_parent().native_handle());
}

}  // namespace kin::detail
