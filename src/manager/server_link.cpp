// SPDX-License-Identifier: BSL-1.0
// server_link: see the header.
#include "manager/server_link.hpp"

#include <atomic>
#include <chrono>
#include <map>
#include <random>
#include <utility>

#include <kin/core/error.hpp>
#include <kin/wire/codec.hpp>

#include "manager/object_reference.hpp"
#include "os/poll.hpp"
#include "os/socket.hpp"
#include "process/runtime.hpp"

namespace kin::detail {
namespace {

constexpr std::chrono::seconds release_patience{2};
constexpr std::chrono::milliseconds door_closes_within{200};

// Of a session that was closed: a server that lives may have been out of something. One that ends closes its sessions
// first, and the door a moment later.
[[noreturn]] void throw_ended(int door) {
  pollfd entry{door, 0, 0};
  os::poll_until(std::span(&entry, 1), deadline::after(door_closes_within));
  if (os::is_hung_up(door)) throw closed_error("kin: the manager's server has ended; its objects are gone");
  throw closed_error(
      "kin: the manager's server has closed this session: it has no descriptors, threads or memory left for it "
      "(RLIMIT_NOFILE?)");
}

std::uint64_t draw_client() {
  std::random_device random;
  return (std::uint64_t{random()} << 32) | random();
}

parcel expect(channel& from, std::uint64_t kind) {
  if (from.next().signature != kind) throw decode_error("kin: the manager's server answered something else");
  return from.take();
}

void require_ready(const channel& socket, short event, deadline until) {
  if (!os::poll_until(socket.native_handle(), event, until))
    throw closed_error("kin: the manager's server does not listen");
}

void ask_to_adopt(channel& control, std::uint64_t object) {
  control.send(adopt_and_answer_frame, std::as_bytes(std::span(&object, 1)));
}
bool is_adopted(channel& control) { return decode<bool>(expect(control, adopt_and_answer_frame)); }

// What a process knows of its links. A forked copy starts with a new one, whose locks nobody holds; the old one stays
// as it was at the fork.
struct process_links {
  process_links* previous = nullptr;
  std::mutex mutex;
  std::map<server_id, std::weak_ptr<server_link>> links;
  std::vector<std::shared_ptr<server_link>> buried;
  std::mutex adoption;
};
std::atomic<unsigned> generation{0};
std::atomic<process_links*> current{nullptr};

void begin_anew() {
  session_socket::close_all_copies();
  auto* fresh = new process_links;
  fresh->previous = current.load();
  current = fresh;
  ++generation;
}

process_links& links_of_process() {
  static const bool begun = [] {
    current = new process_links;
    runtime::get().on_fork(&begin_anew);
    return true;
  }();
  (void)begun;
  return *current.load();
}

}  // namespace

server_link::server_link(const server_id& server, unique_fd door)
    : server_(server), door_(std::move(door)), client_(draw_client()) {}

bool server_link::ended() const noexcept { return os::is_hung_up(door_.get()); }

std::unique_ptr<session_socket> server_link::check_out() {
  {
    const std::lock_guard hold(idle_mutex_);
    if (!idle_.empty()) {
      auto session = std::move(idle_.back());
      idle_.pop_back();
      return session;
    }
  }
  return std::make_unique<session_socket>(door_.get(), client_, session_socket::over::rings);
}

void server_link::check_in(std::unique_ptr<session_socket> session) {
  const std::lock_guard hold(idle_mutex_);
  idle_.push_back(std::move(session));
}

// A session on which anything went wrong is not used again.
parcel server_link::run(const parcel& request) {
  try {
    auto session = check_out();
    session->link().send(request_frame, request.bytes, request.fds);
    parcel outcome = expect(session->link(), session_answer_frame);
    check_in(std::move(session));
    return outcome;
  } catch (const closed_error&) {
    throw_ended(door_.get());
  }
}

// Kept only once the server has it: until then nothing that is said is heard.
session_socket& server_link::control(deadline until) {
  if (control_) return *control_;
  if (!asked_) {
    auto fresh = std::make_unique<session_socket>(door_.get(), client_, session_socket::over::socket);
    ask_to_adopt(fresh->link(), object_reference::the_server);
    asked_ = std::move(fresh);
  }
  require_ready(asked_->link(), POLLIN, until);
  auto answered = std::move(asked_);
  (void)is_adopted(answered->link());
  control_ = std::move(answered);
  return *control_;
}

void server_link::say_unsaid(channel& to, deadline until) {
  for (; !unsaid_.empty(); unsaid_.pop_back()) {
    require_ready(to, POLLOUT, until);  // for so few bytes
    to.send(release_frame, std::as_bytes(std::span(&unsaid_.back(), 1)));
  }
  does_not_listen_ = false;
}

void server_link::say(std::uint64_t what, std::uint64_t object, std::span<const unique_fd> fds) {
  const std::lock_guard hold(control_mutex_);
  try {
    control().link().send(what, std::as_bytes(std::span(&object, 1)), fds);
  } catch (const closed_error&) {
    throw_ended(door_.get());
  }
}

void server_link::hold(std::uint64_t object, unique_fd pipe) { say(hold_frame, object, std::span(&pipe, 1)); }

void server_link::adopt(std::uint64_t object, unique_fd token) { say(adopt_frame, object, std::span(&token, 1)); }

bool server_link::adopt_and_wait(std::uint64_t object) {
  const std::lock_guard hold(control_mutex_);
  try {
    channel& link = control().link();
    say_unsaid(link, deadline::never());
    ask_to_adopt(link, object);
    return is_adopted(link);
  } catch (const closed_error&) {
    throw_ended(door_.get());
  }
}

// Destructors come here, and the server may be stopped: none waits for it for ever, and of many only the first does.
// What could not be said is said before the next.
void server_link::release(std::uint64_t object) noexcept {
  try {
    const std::lock_guard hold(control_mutex_);
    unsaid_.push_back(object);
    const deadline until = std::exchange(does_not_listen_, true) ? deadline::now() : deadline::after(release_patience);
    channel& link = control(until).link();
    say_unsaid(link, until);
  } catch (...) {
    // The server has ended, or will learn it when this process does.
  }
}

unsigned process_generation() noexcept { return generation.load(std::memory_order_relaxed); }

std::shared_ptr<server_link> link_to(const server_id& server, unique_fd door) {
  process_links& mine = links_of_process();
  const std::lock_guard hold(mine.mutex);
  auto& known = mine.links[server];
  if (auto link = known.lock()) return link;
  std::erase_if(mine.links, [&](const auto& entry) { return entry.first != server && entry.second.expired(); });
  auto link = std::make_shared<server_link>(server, std::move(door));
  mine.links[server] = link;
  return link;
}

void bury(std::shared_ptr<server_link> link) noexcept {
  process_links& mine = links_of_process();
  const std::lock_guard hold(mine.mutex);
  mine.buried.push_back(std::move(link));
}

std::mutex& adoption_mutex() { return links_of_process().adoption; }

}  // namespace kin::detail
