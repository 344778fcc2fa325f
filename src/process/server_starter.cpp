// SPDX-License-Identifier: BSL-1.0
// server_starter: serve_child: an order to a spare process of the fork server, and its hello.
#include <atomic>
#include <cstring>
#include <mutex>
#include <vector>

#include <kin/core/error.hpp>
#include <kin/process/child.hpp>

#include "os/descriptor_flags.hpp"
#include "os/packet.hpp"
#include "os/process_id.hpp"
#include "os/socket.hpp"
#include "process/bootstrap.hpp"
#include "process/fork_server.hpp"
#include "process/runtime.hpp"
#include "process/start_order.hpp"
#include "process/start_plan.hpp"
#include "process/worker_program.hpp"

namespace kin::detail {
namespace {

// Spares that are killed before they have begun, in a row, until that is an error. Nothing of the user's has run then.
constexpr int most_attempts = 5;

start_order order_for(const process_options& options, child_role role, const runtime::child_name& name,
                      const parcel& call) {
  start_order order;
  order.who = introduce(options, role, name);
  order.who.task = task_to_load(call);
  os::image_changes changes = image_changes_for(options, role, {});
  order.environment = std::move(changes.environment);
  order.working_directory = std::move(changes.working_directory);
  order.limits = std::move(changes.limits);
  order.affinity = std::move(changes.affinity);
  return order;
}

// One try to have an order taken. A fork by another thread closes the copy's end of the channel: see close_in_copy.
class order_attempt {
 public:
  order_attempt(const order_packet& packet, const parcel& order, const opened_output& output, int crash_file)
      : packet_(packet), order_(order) {
    const int out = stream(output, 1), err = stream(output, 2);
    packet_.has_out = out >= 0;
    packet_.has_err = err >= 0;
    packet_.has_crash = crash_file >= 0;
    for (const int fd : {out, err, crash_file})
      if (fd >= 0) files_.push_back(fd);
  }

  // Empty: whoever took it died before it could say hello, or nobody did.
  std::shared_ptr<child> start(const std::shared_ptr<fork_server>& server, const process_options& options,
                               child_role role, const runtime::child_name& name, const parcel& call,
                               unique_fd& crash_file) {
    static std::atomic<std::uint64_t> orders{0};
    packet_.number = ++orders;
    runtime& self = runtime::get();
    std::unique_lock starting(self.starting());
    auto [ours, theirs] = os::socket_pair();
    channel link(std::move(ours));
    const fork_server::closed_in_copy guard(link);
    starting.unlock();
    try {
      const bool early = call.bytes.size() <= fits_into_socket && call.fds.empty() && !packet_.on_channel;
      if (early) link.send(call_frame, call.bytes);
      files_.insert(files_.begin(), theirs.get());
      const bool sent = server->send(packet_, files_);
      files_.erase(files_.begin());
      theirs.reset();
      if (!sent) return nullptr;
      if (packet_.on_channel) link.send(introduction_frame, order_.bytes);
      auto started = hear(server, link, options, role, name, crash_file);
      if (!early) {
        try {
          started->link().send(call_frame, call.bytes, call.fds);
        } catch (const closed_error&) {
          // It has died already: its exit status says so.
        } catch (...) {
          started->end({});
          throw;
        }
      }
      return started;
    } catch (const closed_error&) {
      return nullptr;
    } catch (...) {
      if (!refused_) server->cancel(packet_);
      throw;
    }
  }

 private:
  // Where the child's stdout or stderr leads: what the options say, else what this process has; -1: it is closed.
  static int stream(const opened_output& output, int number) {
    for (const auto& [to, from] : output.descriptors)
      if (to == number) return from;
    return os::is_open(number) ? number : -1;
  }

  std::shared_ptr<child> hear(const std::shared_ptr<fork_server>& server, channel& link, const process_options& options,
                              child_role role, const runtime::child_name& name, unique_fd& crash_file) {
    runtime& self = runtime::get();
    const deadline until = deadline::after(self.start_patience());
    if (!link.poll(until))
      throw start_error("kin: the fork server (process " + std::to_string(server->pid()) +
                        ") does not answer; is it stopped?");
    const bool refused = link.next().signature == refused_frame;
    parcel message = link.take();
    if (refused) {
      refused_ = true;
      throw_refusal(std::move(message));
    }
    served_hello hello{};
    if (message.bytes.size() != sizeof hello || message.fds.size() != 1)
      throw start_error("kin: a child of the fork server did not introduce itself");
    std::memcpy(&hello, message.bytes.data(), sizeof hello);
    const std::lock_guard starting(self.starting());
    auto started = std::make_shared<child>(static_cast<int>(hello.pid), std::move(message.fds[0]), std::move(link),
                                           unique_fd(), name.name, options.daemon, role);
    started->set_server(server, hello.serial);
    started->set_crash_file(std::move(crash_file));
    self.add_child(started);
    return started;
  }

  order_packet packet_;
  const parcel& order_;
  std::vector<int> files_;
  bool refused_ = false;  // by a copy that has ended by itself
};

}  // namespace

std::shared_ptr<child> serve_child(const process_options& options, child_role role, parcel call) {
  runtime& self = runtime::get();
  self.require_initialised();
  const auto name = self.next_child_name(options.name);
  const opened_output output = open_redirections(options);
  unique_fd crash_file = make_crash_file(role);
  const parcel order = encode_order(order_for(options, role, name, call));
  order_packet packet;
  packet.size = static_cast<std::uint32_t>(order.bytes.size());
  packet.on_channel = order.bytes.size() > order_packet::room;
  if (!packet.on_channel) std::memcpy(packet.order, order.bytes.data(), order.bytes.size());
  order_attempt tries(packet, order, output, crash_file.get());
  std::shared_ptr<fork_server> server;
  for (int i = 0; i < most_attempts; ++i) {
    // At first only the spares may have been killed, and not the server: its next one takes the next attempt.
    server = fork_server::current(i < 3 ? nullptr : server);
    if (auto started = tries.start(server, options, role, name, call, crash_file)) {
      call.arrived();
      return started;
    }
  }
  throw start_error(
      "kin: the fork server's processes end before they can begin: limits that are too low, or somebody "
      "kills them");
}

}  // namespace kin::detail
