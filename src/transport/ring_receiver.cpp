// SPDX-License-Identifier: BSL-1.0
// ring_receiver: see the header.
#include "transport/ring_receiver.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>

#include <kin/core/error.hpp>

#include "memory/mutant.hpp"
#include "memory/wake_cost.hpp"
#include "os/event_fd.hpp"
#include "os/pidfd.hpp"
#include "os/poll.hpp"
#include "os/streak.hpp"
#include "transport/ring_wait.hpp"

namespace kin::detail {
namespace {

// What comes as soon as the other processor answers comes within this many looks.
constexpr spin_rhythm for_an_answer{96, 1, 8};
// A reader in a streak looks seldom, so that the writer gets ahead and the lines between them change hands less often.
constexpr spin_rhythm in_streaks{0, 16, 8};

// As long as it sleeps now and then a reader keeps its writer's fences.
constexpr unsigned waits_for_care = 16;

// A ringer needs a few microseconds, or until it is given a processor. One that is stopped needs any time, and so does
// a process that damaged memory names.
constexpr std::chrono::milliseconds most_for_a_ring{100};

}  // namespace

void ring_receiver::throw_too_late() { throw os_error("receive a message in time", "connection", ETIMEDOUT); }

ring_receiver::ring_receiver(std::shared_ptr<const ring_memory> memory, unsigned direction, unique_fd socket,
                             arrived_descriptors arrived)
    : memory_(std::move(memory)),
      control_(memory_->control(direction)),
      ring_(control_, memory_->data(direction)),
      socket_(std::move(socket)),
      arrived_(std::move(arrived)),
      direction_(direction),
      light_(memory_->light()) {}

// Before the socket: a sender whose ring nobody takes any more is to see that this end was not killed, and may have
// seen the message. And after it: whoever sees it asks the socket.
template <class End>
void ring_receiver::leave_by(End&& end) noexcept {
  const bool announced = !mutant("closed end not announced");
  if (announced && !mutant("left without a word")) control_.reader_bell.fetch_or(bell_closed);
  end();
  if (announced) control_.reader_bell.fetch_or(bell_closed);
}

ring_receiver::~ring_receiver() {
  leave_by([this] { socket_.reset(); });
}

void ring_receiver::leave() noexcept {
  leave_by([this] { os::shut_down(socket_.get()); });
}

// Descriptors are in the socket before their message is in the ring: whoever waits for a message before it may find
// them already. That this process has no room for them is that message's failure, and no other's.
os::io_result ring_receiver::take_rings(std::size_t most) {
  std::array<std::byte, rings_at_once> rings;
  os::io_result got{};
  do {
    const std::size_t before = arrived_.size();
    bool some_lost = false;
    got = os::recv_some(socket_.get(), std::span(rings).first(most), arrived_.incoming(), 0, &some_lost);
    if (some_lost) arrived_.lose_from(before);
    arrived_.note(std::span(rings).first(got.bytes));
    if (std::ranges::count(std::span(rings).first(got.bytes), std::byte{0}) != 0) ring_taken_ = true;
  } while (arrived_.note_is_cut() && got.state == os::io_state::done);
  return got;
}

// Not while somebody waits for what has just been rung for.
void ring_receiver::clear_event() noexcept {
  if (std::exchange(event_set_, false)) os::event_fd::clear(memory_->event(direction_));
}

// --- waiting --------------------------------------------------------------------------------------------------------

wait_end ring_receiver::wait_longer(const deadline& until) {
  ring_.give_back();
  const auto look_again = [this] { return look(); };
  note_processor(control_.reader_processor);
  // All that had been sent is read. In a streak the writer is given time to get ahead; else an answer may be near.
  if (until.is_never() || !until.passed()) {
    const spin_rhythm rhythm = in_a_streak_ ? in_streaks : for_an_answer;
    const bool found = runs_elsewhere(control_.writer_processor) ? habit_.spin(rhythm, look_again) : look();
    if (found) {
      if (control_.reader_care.load(std::memory_order_relaxed) != 0) [[unlikely]]
        sleep_carelessly();
      return wait_end::seen;
    }
  }
  return pollers_.in_use() ? sleep_beside_pollers(until) : sleep(until);
}

// The next sleep pays for the writer's fences. Not while somebody may be setting the bell in another thread.
void ring_receiver::sleep_carelessly() noexcept {
  if ((in_a_streak_ || ++awake_ >= waits_for_care) && !pollers_.in_use())
    control_.reader_care.store(0, std::memory_order_relaxed);
}

void ring_receiver::show_bell(std::uint32_t whose) {
  control_.reader_bell.fetch_or(whose);
  if (whose == bell_watched) bell_set_ = true;
}

void ring_receiver::set_bell(std::uint32_t whose) {
  awake_ = 0;
  if (whose == bell_watched) ring_taken_ = false;
  if (control_.reader_care.load(std::memory_order_relaxed) == care_settled ||
      mutant("careless sleep without a barrier")) {
    show_bell(whose);
    return cpu::full_fence();
  }
  control_.reader_care.store(care_begun, std::memory_order_relaxed);
  set_bell_beside_another(whose);
  // Whoever begins to publish from here on has seen that fences are wanted.
  control_.reader_care.store(care_settled, std::memory_order_relaxed);
}

// Where another thread may be changing the care.
void ring_receiver::set_bell_beside_another(std::uint32_t whose) {
  show_bell(whose);
  if (!mutant("reader's barrier left out")) before_last_look(light_);
}

// On the event, beside which the socket tells of the end. In the socket are also descriptors on their way, which stay
// there until their message is taken, by whichever holder of this end; and what was rung for a poller. A ring for a
// message that is found without it comes late, and wakes the next sleeper for nothing.
class ring_receiver::event_sleep {
 public:
  explicit event_sleep(ring_receiver& of) noexcept : of_(of) {}
  void announce() {
    of_.clear_event();
    of_.set_bell(bell_asleep);
  }
  wait_end until_rung(const deadline& until) {
    std::array<pollfd, 2> either{{{of_.memory_->event(of_.direction_), POLLIN, 0}, {of_.socket_.get(), POLLRDHUP, 0}}};
    if (os::poll_until(either, until) == 0) return wait_end::deadline;
    if (either[0].revents != 0) {
      of_.event_set_ = true;
      note_wake(of_.control_.reader_rung_at.load(std::memory_order_relaxed));
    }
    if (either[1].revents != 0) return wait_end::closed;
    // Also where the event rings on and on.
    return !until.is_never() && until.passed() ? wait_end::deadline : wait_end::rung;
  }
  static bool skips_last_look() noexcept { return mutant("reader's last look left out"); }

 private:
  ring_receiver& of_;
};

wait_end ring_receiver::sleep(const deadline& until) {
  event_sleep sleeper(*this);
  const wait_end how = sleep_until(sleeper, until, [this] { return look(); });
  // Taken already by a writer who has rung.
  if ((control_.reader_bell.load(std::memory_order_relaxed) & bell_asleep) != 0)
    control_.reader_bell.fetch_and(~bell_asleep);
  if (how == wait_end::seen) tell_pollers();  // somebody may have become one meanwhile
  return how;
}

// On the bytes that are rung for pollers. They stay in the socket for as long as there is something to be read: they
// are what pollers see.
class ring_receiver::byte_sleep {
 public:
  explicit byte_sleep(ring_receiver& of) noexcept : of_(of) {}
  void announce() {
    if (std::exchange(has_rung_, false)) {
      has_taken_ = true;
      ended_ = of_.take_rings().state == os::io_state::closed;
    }
    of_.set_bell(bell_watched);
  }
  wait_end until_rung(const deadline& until) {
    if (ended_) return wait_end::closed;
    has_rung_ = os::poll_until(of_.socket_.get(), POLLIN, until);
    return has_rung_ ? wait_end::rung : wait_end::deadline;
  }
  [[nodiscard]] bool has_taken() const noexcept { return has_taken_; }
  static bool skips_last_look() noexcept { return mutant("reader's last look left out"); }

 private:
  ring_receiver& of_;
  bool has_rung_ = false, has_taken_ = false, ended_ = false;
};

wait_end ring_receiver::sleep_beside_pollers(const deadline& until) {
  byte_sleep sleeper(*this);
  const wait_end how = sleep_until(sleeper, until, [this] { return look(); });
  if (how == wait_end::seen && sleeper.has_taken()) tell_pollers();
  return how;
}

// A message is there, and its byte perhaps taken: they are told in another way, until it is taken, too.
void ring_receiver::tell_pollers() {
  if (!pollers_.in_use()) return;
  const auto hold = pollers_.lock();
  pollers_.set();
}

bool ring_receiver::poll(const deadline& until) {
  if (to_come_ != 0) return false;  // asked by a decoder, which has the next message's beginning to wait for
  const bool is_ready = wait_for_frame(until) != wait_end::deadline;
  frame_ = 0;  // seen, but not shown
  return is_ready;
}

const frame_header& ring_receiver::next(const deadline& until) {
  switch (wait_for_frame(until)) {
    case wait_end::closed:
      throw closed_error("kin: the other end of the connection is closed");
    case wait_end::deadline:
      throw_too_late();
    case wait_end::seen:
    case wait_end::rung:
      break;
  }
  header_.descriptors = descriptors_of_frame(frame_);
  header_.size = size_of_frame(frame_);
  const bool is_raw = is_frame(frame_, frame_kind::raw_message) || is_frame(frame_, frame_kind::block);
  header_.signature = is_raw ? raw_bytes : ring_.second();
  if (is_frame(frame_, frame_kind::piece)) throw_damaged_ring();
  return header_;
}

// --- polling --------------------------------------------------------------------------------------------------------

bool ring_receiver::is_empty() const {
  // A reader of its own: native_handle() may be called beside the thread that receives.
  ring_reader look(control_, memory_->data(direction_));
  return look.look() == 0;
}

// A bell that was taken has been rung, or is just being rung. Then the byte comes next, unless its writer dies; and if
// it has come, another holder of this end may have taken it (this one knows when it has, with descriptors perhaps).
// Without a receiver's deadline: what it waited for it has, and a byte that comes later makes a poller look once in
// vain. So does that of a writer who is stopped between its look at the position and the bell, for as long as it takes
// to receive its message.
void ring_receiver::let_ringer_finish() {
  const std::uint32_t bell = control_.reader_bell.load();
  if ((bell & bell_ringing) == 0 || os::poll_until(socket_.get(), POLLIN, deadline::now())) return;
  unique_fd ringer;
  try {
    ringer = os::open_pidfd(ringer_of(bell));
  } catch (const os_error&) {
    return;  // it is dead already, or nobody can be asked
  }
  std::array<pollfd, 2> either{{{socket_.get(), POLLIN, 0}, {ringer.get(), POLLIN, 0}}};
  if ((control_.reader_bell.load() & bell_ringing) != 0) os::poll_until(either, deadline::after(most_for_a_ring));
}

// After something was taken, and before the first poll: readable exactly if something is left. While nothing is there
// the bell is set, so that the next message makes the socket readable.
void ring_receiver::settle(occasion when) {
  const auto hold = pollers_.lock();
  if (is_empty()) {
    const bool taken = bell_set_ && (control_.reader_bell.load() & bell_watched) == 0;
    if (taken && !ring_taken_ && !mutant("ringer not waited for")) let_ringer_finish();
    // At the first poll nobody was rung by bytes, and a thread may sleep here that takes descriptors out.
    if (when == occasion::taking && !mutant("rings left in the socket")) take_rings();
    if (!mutant("poller's flag left set")) pollers_.clear();
    if (mutant("no bell for pollers")) return;
    if (when == occasion::taking)
      set_bell(bell_watched);
    else
      set_bell_beside_another(bell_watched);
    if (is_empty() || mutant("poller's last look left out")) return;
  }
  if (!mutant("poller not told of what is left")) pollers_.set();
}

int ring_receiver::native_handle() {
  if (!pollers_.in_use()) {
    {
      const auto hold = pollers_.lock();
      if (!pollers_.in_use()) pollers_.begin(socket_.get());
    }
    settle(occasion::first_poll);
  }
  return pollers_.native_handle();
}

}  // namespace kin::detail
