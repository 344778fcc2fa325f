// SPDX-License-Identifier: BSL-1.0
// spare: see the header. All between the order and the call is in the way of the caller's first instruction, so it is
// short; what the asker has to know (serial, pidfd) goes out in one hello before the call begins.
#include "process/spare.hpp"

#include <cstring>
#include <exception>

#include <kin/core/error.hpp>
#include <kin/os/duplicate.hpp>
#include <kin/transport/channel.hpp>
#include <kin/wire/call.hpp>
#include <kin/wire/incoming_call.hpp>

#include "os/crash_handler.hpp"
#include "os/lifeline.hpp"
#include "os/own_process.hpp"
#include "os/packet.hpp"
#include "os/pidfd.hpp"
#include "os/process_id.hpp"
#include "os/socket.hpp"
#include "process/bootstrap.hpp"
#include "process/exit_codes.hpp"
#include "process/runtime.hpp"
#include "process/start_order.hpp"
#include "process/start_plan.hpp"

namespace kin::detail {
namespace {

struct taken_order {
  start_order order;
  std::uint64_t number;
  channel link;
  unique_fd crash_file;
};

taken_order take_order(int orders) {
  order_packet packet;
  os::packet got = os::recv_packet(orders, std::as_writable_bytes(std::span(&packet, 1)), os::packet_wait::block);
  if (got.size == 0) os::leave_at_once(0);  // nobody asks any more
  const std::size_t files = std::size_t{1} + packet.has_out + packet.has_err + packet.has_crash;
  if (packet.magic != order_packet::magic_value || got.size != packet.bytes_used() || got.fds.size() != files)
    os::leave_at_once(could_not_begin);  // the asker sees the end of the channel
  std::size_t next = 1;
  os::set_standard_stream(packet.has_out ? got.fds[next++].get() : -1, 1);
  os::set_standard_stream(packet.has_err ? got.fds[next++].get() : -1, 2);
  taken_order taken{
      {}, packet.number, channel(std::move(got.fds[0])), packet.has_crash ? std::move(got.fds[next]) : unique_fd()};
  taken.order =
      decode_order(packet.on_channel ? taken.link.take() : parcel{{packet.order, packet.order + packet.size}, {}});
  return taken;
}

void say_hello(channel& to_asker, std::uint64_t serial, unique_fd own_pidfd) {
  const served_hello hello{serial, os::own_pid()};
  const unique_fd sent[]{std::move(own_pidfd)};
  to_asker.send(hello_frame, std::as_bytes(std::span(&hello, 1)), sent);
}

void nothing() {}
struct no_call {
  void operator()() const {}
};

// False: the asker has been told why not.
bool change_surroundings(const start_order& order, channel& link) {
  if (!order.changes_surroundings()) return true;
  const os::surroundings& at_init = runtime::get().at_init();
  os::image_changes changes;
  changes.environment = order.environment;
  changes.working_directory = order.working_directory;
  changes.limits = order.limits;
  changes.affinity = order.affinity;
  changes.inherited = &at_init;
  if (const auto refused = os::image_plan(std::move(changes)).apply()) {
    link.send(refused_frame, encode_refusal(*refused).bytes);
    return false;
  }
  runtime::get().note_surroundings();
  return true;
}

[[noreturn]] void become(taken_order taken, const spare_ties& ties, unique_fd own_pidfd) {
  start_order& order = taken.order;
  parcel request;
  try {
    os::default_group_signals();
    if (order.who.role == child_role::service) os::lead_process_group();
    if (!change_surroundings(order, taken.link)) os::leave_at_once(could_not_begin);
    if (!load_task_of(order.who, taken.link)) os::leave_at_once(could_not_begin);
    become_child(order.who, unique_fd(ties.asker));
    if (taken.crash_file) os::report_crashes_to(taken.crash_file.release());
    os::name_own_process(runtime::get().program_name().c_str());
    const taken_note note{ties.serial, taken.number, order.who.role == child_role::service};
    os::write_note(ties.notes, std::as_bytes(std::span(&note, 1)));
    unique_fd(ties.notes).reset();
    os::outlive_parent();
    say_hello(taken.link, ties.serial, std::move(own_pidfd));
  } catch (const closed_error&) {
    os::leave_at_once(nobody_asks);  // the asker has gone, or has lost patience
  } catch (const std::exception& e) {
    say_why_not(taken.link, e);
    os::leave_at_once(could_not_begin);
  }
  try {
    request = taken.link.take();
    set_link_to_parent(std::move(taken.link));
  } catch (const closed_error&) {
    os::leave_at_once(nobody_asks);
  } catch (const std::exception& e) {
    say_why_not(taken.link, e);
    os::leave_at_once(could_not_begin);
  }
  run_call_in_role(order.who, std::move(request));
}

}  // namespace

void rehearse_order(rehearsal where) {
  auto [orders, asker] = os::packet_pair();
  auto [mine, other] = os::socket_pair();
  order_packet packet;
  start_order order;
  order.who = {child_role::process, "Process-1", "1", "MainProcess", runtime::get().at_init().locale, false,
               os::own_pid(),       {},          1};
  const parcel encoded = encode_order(order);
  packet.size = static_cast<std::uint32_t>(encoded.bytes.size());
  packet.has_out = packet.has_err = 1;
  std::memcpy(packet.order, encoded.bytes.data(), encoded.bytes.size());
  const int files[]{mine.get(), 1, 2};
  os::send_packet(asker.get(), std::as_bytes(std::span(&packet, 1)).first(packet.bytes_used()), files,
                  os::packet_wait::no);
  channel link(std::move(other));
  // A task that has been looked for is known from then on: the copies have to look for one of their own.
  link.send(call_frame, (where == rehearsal::server ? encode_call(&nothing) : encode_call(no_call{})).bytes);
  taken_order taken = take_order(orders.get());
  os::default_group_signals();
  become_child(taken.order.who, {});
  os::ignore_group_signals();
  say_hello(taken.link, 0, os::open_pidfd(os::own_pid()));
  incoming_call call(taken.link.take());
  set_link_to_parent(std::move(taken.link));
  writer ignored;
  prepare_exit();
  (void)run_in_role(child_role::process, "Process-1", [&] { call.run(ignored); });
  say_exit_code(0);
  link_to_parent().close();
}

void live_as_spare(const spare_ties& ties) {
  try {
    os::die_with_parent(ties.server);
    if (ties.server_gives_way) os::stop_giving_way();
    os::close_descriptors_from(first_private_fd);
    // Over the number of the server's, whose description is not this process's.
    os::move_descriptor(os::reopen_pipe(lifeline_fd), lifeline_fd);
    os::limit_descriptors(runtime::get().at_init().limits[RLIMIT_NOFILE]);
    os::arm_lifeline(unique_fd(lifeline_fd));
    unique_fd own_pidfd = os::open_pidfd(os::own_pid());
    rehearse_order(rehearsal::spare);
    os::name_own_process("kin-spare");
    taken_order taken = take_order(orders_fd);
    unique_fd(orders_fd).reset();
    become(std::move(taken), ties, std::move(own_pidfd));
  } catch (...) {
    os::leave_at_once(could_not_begin);
  }
}

}  // namespace kin::detail
