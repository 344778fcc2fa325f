// SPDX-License-Identifier: BSL-1.0
// fork_server: see the header.
#include "process/fork_server.hpp"

#include <array>
#include <csignal>
#include <cstring>
#include <new>
#include <vector>

#include <kin/core/error.hpp>
#include <kin/core/log.hpp>
#include <kin/os/duplicate.hpp>
#include <kin/transport/channel.hpp>

#include "memory/family.hpp"
#include "os/lifeline.hpp"
#include "os/packet.hpp"
#include "os/poll.hpp"
#include "os/process_id.hpp"
#include "os/socket.hpp"
#include "process/bootstrap.hpp"
#include "process/environment.hpp"
#include "process/exit_codes.hpp"
#include "process/runtime.hpp"
#include "process/spawner.hpp"
#include "process/start_plan.hpp"

namespace kin::detail {
namespace {

// A server that says nothing for so long about a child that has ended is stopped (SIGSTOP).
constexpr std::chrono::seconds report_patience{2};

// What the loader says of a program that it cannot load.
struct not_loaded : start_error {
  using start_error::start_error;
  static constexpr int exit_code = 127;
};

std::mutex making_server;
std::shared_ptr<fork_server>& current_server() {
  static auto* const server = new std::shared_ptr<fork_server>;  // never destroyed: children may outlive statics
  return *server;
}
// Both guarded by runtime::starting().
std::vector<fork_server*>& all_servers() {
  static auto* const servers = new std::vector<fork_server*>;
  return *servers;
}
std::vector<channel*>& unheard() {
  static auto* const channels = new std::vector<channel*>;
  return *channels;
}

// A frame of a server that begins; start_error with its reason where it cannot.
parcel hear(channel& from_server, deadline until) {
  const bool refused = from_server.next(until).signature == refused_frame;
  parcel message = from_server.take(until);
  if (refused) throw start_error("kin: the fork server could not begin: " + text_of_refusal(std::move(message)));
  return message;
}

// The server proper is the child of the process that was launched, which leaves at once: so it is nobody's here, and
// no waitpid(-1) of the program's meets it.
void await_departure(const os::launched& launched, channel& from_server, deadline until) {
  if (!os::wait_for_end(launched.pidfd.get(), until)) {
    os::send_signal(launched.pidfd.get(), SIGKILL);
    os::wait_for_end(launched.pidfd.get(), deadline::never());
    os::reap(launched.pidfd.get());
    throw start_error(
        "kin: the fork server was started, but has not come to kin::init() in time: what stands before it in main(), "
        "or the constructor of a static object, does not end");
  }
  const auto ended = os::reap(launched.pidfd.get());
  if (ended && ended->code == not_loaded::exit_code)
    throw not_loaded(
        "kin: the fork server did not begin: exit code 127 (a shared library is missing or was replaced; see its "
        "stderr)");
  if (ended && ended->code == could_not_begin && from_server.poll(deadline::now())) (void)hear(from_server, until);
  if (ended && (ended->signal != 0 || ended->code != 0))
    throw start_error("kin: the fork server did not begin: " + (ended->signal != 0
                                                                    ? "signal " + std::to_string(ended->signal)
                                                                    : "exit code " + std::to_string(ended->code)));
}

}  // namespace

fork_server::fork_server(binding bind) : credentials_(os::own_credentials()) {
  runtime& self = runtime::get();
  static const bool registered = (self.on_fork(&forget_all), true);
  (void)registered;
  const deadline until = deadline::after(self.start_patience());
  const process_options plain;
  os::launch_request request = launch_request_for(plain, child_role::fork_server, {});
  if (bind == binding::at_start) bind_at_start(request.environment);
  const introduction who{child_role::fork_server, {}, {}, self.name(), {}, false, os::own_pid(), {}, 1};
  const int family_link = family::link();

  std::unique_lock starting(self.starting());
  auto [ours, theirs] = os::socket_pair();
  auto [orders, their_orders] = os::packet_pair();
  auto [server_line, our_line] = os::make_lifeline();
  request.descriptors = {{channel_fd, theirs.get()},
                         {lifeline_fd, server_line.get()},
                         {family_fd, family_link},
                         {orders_fd, their_orders.get()}};
  orders_ = os::above_standard(std::move(orders));
  control_ = std::move(ours);
  lifeline_ = std::move(our_line);
  const os::launched launched = launch_in_spawner(request);
  for (unique_fd* fd : {&theirs, &their_orders, &server_line}) fd->reset();
  all_servers().push_back(this);
  starting.unlock();
  try {
    channel link(os::duplicate(control_.get()));
    try {
      link.send(introduction_frame, encode_introduction(who).bytes);
      (void)hear(link, until);
    } catch (const closed_error&) {
      // Its exit status says more.
    } catch (const os_error& e) {
      if (e.code().value() != ETIMEDOUT) throw;
    }
    await_departure(launched, link, until);
    try {
      parcel message = hear(link, until);
      served_hello hello{};
      if (message.bytes.size() != sizeof hello || message.fds.size() != 1)
        throw start_error("kin: the fork server did not introduce itself");
      std::memcpy(&hello, message.bytes.data(), sizeof hello);
      pid_ = static_cast<int>(hello.pid);
      pidfd_ = os::above_standard(std::move(message.fds[0]));
    } catch (const closed_error&) {
      throw start_error("kin: the fork server ended as soon as it had begun");
    }
  } catch (...) {
    os::send_signal(launched.pidfd.get(), SIGKILL);
    os::wait_for_end(launched.pidfd.get(), deadline::never());
    os::reap(launched.pidfd.get());
    const std::lock_guard hold(self.starting());
    std::erase(all_servers(), this);
    throw;
  }
}

fork_server::~fork_server() {
  const std::lock_guard hold(runtime::get().starting());
  std::erase(all_servers(), this);
  // Where orphans become this process's children (process 1 of a container, a subreaper).
  try {
    if (pidfd_ && !alive()) os::reap(pidfd_.get());
  } catch (const os_error&) {
  }
}

// A copy of this process has no server; its copies of the lifelines would keep the original's children alive.
void fork_server::forget_all() {
  for (fork_server* server : all_servers()) server->abandon();
  all_servers().clear();
  for (channel* c : unheard()) c->close();
  unheard().clear();
  new (&current_server()) std::shared_ptr<fork_server>;  // the lock and the count may have been copied in any state
  new (&making_server) std::mutex;
}

void fork_server::abandon() noexcept {
  for (unique_fd* fd : {&orders_, &control_, &lifeline_, &pidfd_}) fd->reset();
}

fork_server::closed_in_copy::closed_in_copy(channel& c) : channel_(c) { unheard().push_back(&c); }
fork_server::closed_in_copy::~closed_in_copy() {
  const std::lock_guard hold(runtime::get().starting());
  std::erase(unheard(), &channel_);
}

// A program whose functions cannot all be found may still run, as long as it calls those that can.
std::shared_ptr<fork_server> fork_server::started() {
  try {
    return std::make_shared<fork_server>(binding::at_start);
  } catch (const not_loaded&) {
    return std::make_shared<fork_server>(binding::lazily);
  }
}

std::shared_ptr<fork_server> fork_server::current(const std::shared_ptr<fork_server>& bad) {
  std::unique_lock hold(making_server);
  // A server that was started with other credentials would give children more than this process has kept.
  if (current_server() && current_server() != bad && current_server()->alive() &&
      current_server()->credentials_ == os::own_credentials())
    return current_server();
  const bool replaced = current_server() != nullptr;
  auto fresh = current_server() = started();
  hold.unlock();
  if (replaced)
    log(log_record::severity::info,
        "kin: the fork server could not go on; process " + std::to_string(fresh->pid()) + " replaces it");
  return fresh;
}

int fork_server::current_pid() {
  const std::lock_guard hold(making_server);
  return current_server() ? current_server()->pid() : -1;
}

bool fork_server::alive() const { return !os::wait_for_end(pidfd_.get(), deadline::now()); }

bool fork_server::send(const order_packet& order, std::span<const int> descriptors) {
  return os::send_packet(orders_.get(), std::as_bytes(std::span(&order, 1)).first(order.bytes_used()), descriptors,
                         os::packet_wait::block);
}

// Called without the lock. False: nothing came.
bool fork_server::take_reports(deadline until) {
  std::vector<server_report> news;
  bool end = false;
  if (os::poll_until(control_.get(), POLLIN, until)) {
    server_report report{};
    std::vector<unique_fd> none;
    // The server writes each in one piece; what has begun to come comes whole, or the server is dead.
    if (os::recv_all(control_.get(), std::as_writable_bytes(std::span(&report, 1)), none, deadline::never()))
      news.push_back(report);
    else
      end = true;
  }
  const std::lock_guard hold(mutex_);
  for (const auto& report : news)
    if (forgotten_.erase(report.serial) == 0)
      reports_[report.serial] = report;
    else if (report.kept != 0)
      tell(server_request::verb::release, report.serial);
  lost_ = lost_ || end;
  return !news.empty();
}

void fork_server::tell(server_request::verb what, std::uint64_t number) noexcept {
  const server_request request{what, number};
  try {
    os::send_all(control_.get(), std::as_bytes(std::span(&request, 1)), {}, deadline::after(report_patience));
  } catch (const os_error&) {
    // A stopped server, which does not read any more.
  }
}

// Takes what has come in the meantime as well, or the reports that nobody asks for would fill the socket.
void fork_server::forget(std::uint64_t serial) noexcept {
  try {
    std::unique_lock hold(mutex_);
    if (const auto found = reports_.find(serial); found != reports_.end()) {
      const bool kept = found->second.kept != 0;
      reports_.erase(found);
      if (kept) tell(server_request::verb::release, serial);
    } else {
      forgotten_.insert(serial);
    }
    if (reading_ || lost_) return;  // whoever reads takes these, too
    reading_ = true;
    hold.unlock();
    try {
      for (bool more = true; more;) more = take_reports(deadline::at(deadline::clock::time_point{}));
    } catch (const os_error&) {
      // No memory to wait with: the next one takes them.
    }
    hold.lock();
    reading_ = false;
    changed_.notify_all();
  } catch (const std::exception&) {
    // Without memory a report stays.
  }
}

std::optional<os::ended_child> fork_server::take_status(std::uint64_t serial) {
  const deadline until = deadline::after(report_patience);
  std::unique_lock hold(mutex_);
  for (;;) {
    if (const auto found = reports_.find(serial); found != reports_.end()) {
      const server_report r = found->second;
      reports_.erase(found);
      hold.unlock();
      // The server may now forget the child, and with it the number that names its process group.
      if (r.kept != 0) tell(server_request::verb::release, serial);
      return os::ended_child{r.code,
                             r.signal,
                             r.core_dumped != 0,
                             r.peak_memory,
                             std::chrono::microseconds(r.user_time),
                             std::chrono::microseconds(r.system_time)};
    }
    if (lost_ || until.passed()) return std::nullopt;
    if (reading_) {
      changed_.wait(hold);
      continue;
    }
    reading_ = true;
    hold.unlock();
    try {
      take_reports(until);
    } catch (const os_error&) {
      // No memory to wait with: the others must not wait for this thread.
      hold.lock();
      reading_ = false;
      changed_.notify_all();
      throw;
    }
    hold.lock();
    reading_ = false;
    changed_.notify_all();
  }
}

}  // namespace kin::detail
