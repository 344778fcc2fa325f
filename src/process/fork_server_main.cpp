// SPDX-License-Identifier: BSL-1.0
// fork_server_main: see the header. One thread, and no user code but the constructors of static objects.
#include "process/fork_server_main.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <map>
#include <set>
#include <span>
#include <vector>

#include <kin/core/error.hpp>
#include <kin/os/duplicate.hpp>

#include "os/crash_handler.hpp"
#include "os/lifeline.hpp"
#include "os/own_image.hpp"
#include "os/own_process.hpp"
#include "os/packet.hpp"
#include "os/pidfd.hpp"
#include "os/poll.hpp"
#include "os/process_id.hpp"
#include "os/socket.hpp"
#include "os/text_pipe.hpp"
#include "os/watch_set.hpp"
#include "process/exit_codes.hpp"
#include "process/spare.hpp"
#include "process/start_order.hpp"
#include "process/start_plan.hpp"

namespace kin::detail {
namespace {

// Ready copies: enough that starts in a row seldom wait for a fork, few enough to cost nothing.
constexpr std::size_t spares_kept = 2;
constexpr std::chrono::milliseconds pause{10};
// A start has the processors to itself for so long before the server forks the next copy. One that takes all copies,
// and asks for another, is served at once, and so are those that follow it soon.
constexpr std::chrono::microseconds calm{400};
constexpr std::chrono::milliseconds storm{20};

class server {
 public:
  explicit server(unique_fd control) : control_(std::move(control)), self_(os::own_pid()) {}

  /// What fails until `to_asker` is closed, it is told.
  [[noreturn]] void run(int asker, channel& to_asker) {
    prepare(asker, to_asker);
    std::array<std::uint64_t, 32> ready;
    for (;;) {
      const std::size_t n = wait(ready, refill());
      for (std::size_t i = 0; i < n; ++i)
        if (ready[i] == notes_key) take_notes();
      for (std::size_t i = 0; i < n; ++i)
        if (ready[i] == control_key)
          serve_asker();
        else if (ready[i] != notes_key)
          ended(ready[i]);
    }
  }

 private:
  static constexpr std::uint64_t notes_key = 0, control_key = 1;  // serials of copies begin behind them
  struct copy {
    int pid;
    unique_fd pidfd;
    bool taken = false, keeps_group = false;
    std::uint64_t order = 0;
  };

  void prepare(int asker, channel& to_asker) {
    os::silence_standard_streams();  // first: where they are closed, what is opened here would get their numbers
    // The copy that was launched has armed the lifeline's end for itself.
    unique_fd line = os::reopen_pipe(lifeline_fd);
    auto [notes, writer] = os::make_text_pipe();
    unique_fd asker_pidfd = os::open_pidfd(asker);
    os::arm_lifeline(os::at_or_above(first_private_fd, std::move(line)));
    notes_ = os::at_or_above(first_private_fd, std::move(notes));
    // A spare that was taken wakes the server, which would go on at once in its place and fork, for as long as the
    // spare itself needs to begin five times over.
    ties_ = {0, self_, writer.release(), asker_pidfd.release(), os::give_way_when_woken()};
    os::name_own_process("kin-forkserver");
    os::ignore_group_signals();
    os::allow_most_descriptors();
    rehearse_order(rehearsal::server);
    os::prepare_crash_reports();
    if (!watched_.add(notes_.get(), notes_key) || !watched_.add(control_.get(), control_key))
      throw os_error("watch the asker", "epoll_ctl", errno);
    const served_hello hello{0, self_};
    const unique_fd sent[]{os::open_pidfd(self_)};
    to_asker.send(hello_frame, std::as_bytes(std::span(&hello, 1)), sent);
    to_asker.close();
  }

  // Forks what is due, and answers when to look again.
  deadline refill() {
    if (spares_ == 0 && somebody_waits()) {
      storm_ends_ = deadline::after(storm);
      next_refill_ = deadline::now();
    }
    while (spares_ < spares_kept) {
      if (!next_refill_.passed()) return next_refill_;
      // Too many processes, or no memory: children that end may change that.
      if (!fork_spare()) return deadline::after(pause);
    }
    return deadline::never();
  }

  static bool somebody_waits() { return os::poll_until(orders_fd, POLLIN, deadline::now()); }

  // Orders are the copies' to take; the server looks at them only while there is none.
  std::size_t wait(std::span<std::uint64_t> ready, deadline until) {
    std::array<pollfd, 2> entries{{{watched_.native_handle(), POLLIN, 0}, {orders_fd, POLLIN, 0}}};
    os::poll_until(std::span(entries).first(spares_ == 0 ? 2 : 1), until);
    return watched_.wait_for(ready, std::chrono::milliseconds(0));
  }

  bool fork_spare() {
    ties_.serial = next_serial_++;
    int pid = -1;
    try {
      pid = os::fork_process();
      if (pid == 0) {
        watched_.abandon();
        live_as_spare(ties_);
      }
      copy made{pid, os::at_or_above(first_private_fd, os::open_pidfd(pid))};
      if (!watched_.add(made.pidfd.get(), ties_.serial)) throw os_error("watch a process", "epoll_ctl", errno);
      copies_.emplace(ties_.serial, std::move(made));
    } catch (const os_error& e) {
      if (pid > 0) os::kill_by_pid(pid);
      if (spares_ == 0) refuse_one(e);
      return false;
    }
    ++spares_;
    return true;
  }

  // Whoever asks now is told instead of kept waiting.
  static void refuse_one(const os_error& why) {
    order_packet order;
    os::packet got = os::recv_packet(orders_fd, std::as_writable_bytes(std::span(&order, 1)), os::packet_wait::no);
    if (got.fds.empty()) return;
    try {
      channel(std::move(got.fds[0]))
          .send(refused_frame, encode_refusal({"start a process", "fork", why.code().value()}).bytes);
    } catch (const error&) {
      // It has stopped asking.
    }
  }

  void take_notes() {
    std::array<taken_note, 64> notes;
    std::size_t n = 0;
    do {
      n = os::read_available(notes_.get(), {reinterpret_cast<char*>(notes.data()), sizeof notes}) / sizeof(taken_note);
      mark_taken(std::span(notes).first(n));
    } while (n == notes.size());
  }

  void mark_taken(std::span<const taken_note> notes) {
    for (const taken_note& note : notes)
      if (const auto found = copies_.find(note.serial); found != copies_.end() && !found->second.taken) {
        found->second.taken = true;
        found->second.keeps_group = note.keeps_group != 0;
        found->second.order = note.order;
        if (cancelled_.erase(note.order) > 0) os::send_signal(found->second.pidfd.get(), SIGKILL);
        --spares_;
        next_refill_ = storm_ends_.passed() ? deadline::after(calm) : deadline::now();
      }
  }

  void ended(std::uint64_t serial) {
    const auto found = copies_.find(serial);
    if (found == copies_.end()) return;
    take_notes();  // it may have been taken a moment ago
    copy& c = found->second;
    const auto status = c.keeps_group ? os::look_at_end(c.pidfd.get()) : os::reap(c.pidfd.get());
    watched_.remove(c.pidfd.get());
    if (!c.taken)
      --spares_;
    else if (status)
      report({serial, c.pid, status->code, status->signal, status->core_dumped, c.keeps_group, 0, status->peak_memory,
              status->user_time.count(), status->system_time.count()});
    if (!c.keeps_group) copies_.erase(found);
  }

  void report(const server_report& r) {
    const auto bytes = std::as_bytes(std::span(&r, 1));
    unsent_.insert(unsent_.end(), bytes.begin(), bytes.end());
    send_reports();
  }

  void send_reports() {
    while (!unsent_.empty()) {
      const iovec piece{unsent_.data(), unsent_.size()};
      const os::io_result sent = os::send_some(control_.get(), std::span(&piece, 1));
      if (sent.state == os::io_state::closed) os::leave_at_once(0);
      if (sent.state == os::io_state::would_block) break;
      unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<std::ptrdiff_t>(sent.bytes));
    }
    watched_.also_writable(control_.get(), control_key, !unsent_.empty());
  }

  // The asker has read reports, has done with a child, or is gone.
  void serve_asker() {
    send_reports();
    // The asker writes whole requests, so they come whole.
    std::array<server_request, 64> requests;
    std::vector<unique_fd> none;
    const os::io_result got = os::recv_some(control_.get(), std::as_writable_bytes(std::span(requests)), none);
    if (got.state == os::io_state::closed) os::leave_at_once(0);
    if (got.state == os::io_state::would_block) return;
    for (const server_request& request : std::span(requests).first(got.bytes / sizeof requests[0]))
      if (request.what == server_request::verb::cancel)
        cancel(request.number);
      else if (const auto found = copies_.find(request.number); found != copies_.end()) {
        os::reap(found->second.pidfd.get());
        copies_.erase(found);
      }
  }

  void cancel(std::uint64_t order) {
    take_notes();
    const auto runs = std::ranges::find_if(copies_, [&](const auto& c) { return c.second.order == order; });
    if (runs != copies_.end())
      os::send_signal(runs->second.pidfd.get(), SIGKILL);
    else
      cancelled_.insert(order);
  }

  unique_fd control_, notes_;
  spare_ties ties_{};
  const int self_;
  os::watch_set watched_;
  std::map<std::uint64_t, copy> copies_;
  std::set<std::uint64_t> cancelled_;  // orders nobody waits for any more, that may still be taken
  std::uint64_t next_serial_ = 2;
  std::size_t spares_ = 0;
  deadline next_refill_ = deadline::now();
  deadline storm_ends_ = deadline::now();
  std::vector<std::byte> unsent_;
};

}  // namespace

void run_fork_server(channel to_asker, const introduction& who) {
  try {
    unique_fd control = os::at_or_above(first_private_fd, os::duplicate(to_asker.native_handle()));
    if (os::fork_process() != 0) os::leave_at_once(0);
    server(std::move(control)).run(who.parent_pid, to_asker);
  } catch (const closed_error&) {
    os::leave_at_once(0);  // nobody asks any more
  } catch (const std::exception& e) {
    say_why_not(to_asker, e);
    os::leave_at_once(could_not_begin);
  }
}

}  // namespace kin::detail
