// SPDX-License-Identifier: BSL-1.0
// ring_sender: see the header.
#include "transport/ring_sender.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include <kin/core/error.hpp>
#include <kin/transport/channel.hpp>

#include "memory/mutant.hpp"
#include "memory/wait_loop.hpp"
#include "memory/wake_cost.hpp"
#include "os/poll.hpp"
#include "os/socket.hpp"
#include "os/streak.hpp"
#include "transport/arrived_descriptors.hpp"
#include "transport/ring_blocks.hpp"
#include "transport/ring_wait.hpp"

namespace kin::detail {
namespace {

// What goes in one step when a message does not fit: small enough that both sides copy at once.
constexpr std::size_t most_in_a_piece = std::size_t{32} << 10;
constexpr std::size_t copied_in_a_nanosecond = 8, most_waited_for = std::size_t{64} << 20;
constexpr unsigned looks_per_streak = 16, sends_before_it_grows = 1024;

}  // namespace

ring_sender::ring_sender(std::shared_ptr<const ring_memory> memory, unsigned direction, unique_fd socket) noexcept
    : memory_(std::move(memory)),
      control_(memory_->control(direction)),
      ring_(control_, memory_->data(direction)),
      socket_(std::move(socket)),
      direction_(direction),
      light_(memory_->light()) {}

void ring_sender::send(std::uint64_t signature, std::span<const std::byte> bytes, std::span<const unique_fd> fds,
                       const deadline& until, bool& begun) {
  look_around_sometimes();
  const bool is_raw = signature == raw_bytes;
  const std::uint64_t word =
      frame_word(is_raw ? frame_kind::raw_message : frame_kind::message, bytes.size(), fds.size());
  if (!fds.empty() && !mutant("descriptors behind their message")) [[unlikely]]
    send_descriptors(fds, until, begun);
  if (bytes.size() < ring_capacity(0) / 2 && ring_.try_put(word, signature, bytes)) [[likely]] {
    begun = false;
    ring_reader();
  } else {
    send_slowly(word, signature, bytes, until, begun);
  }
  if (mutant("descriptors behind their message")) send_descriptors(fds, until, begun);
}

block_claim ring_sender::lend(std::size_t size) {
  if (size < ring_blocks::least_size) return {};
  if (!blocks_) blocks_ = std::make_shared<ring_blocks>(memory_, direction_, ring_blocks::role::sender);
  block_claim found = blocks_->lend(size);
  // All are on the way, or with a receiver that keeps them. One that is at work gives one back at once; a sender does
  // not sleep for it, and does not try each time.
  const auto look = [&] { return static_cast<bool>(found = blocks_->lend(size)); };
  if (!found && !waited_in_vain_ && !spin_for(control_.reader_processor, {}, look)) {
    // As long as it would take to copy a message of that size.
    const auto over =
        deadline::after(std::chrono::nanoseconds(std::min(size, most_waited_for) / copied_in_a_nanosecond));
    while (!look() && !over.passed()) std::this_thread::yield();
  }
  waited_in_vain_ = !found;
  return found;
}

void ring_sender::send_block(block_claim built, const deadline& until) {
  if (built.of() != blocks_.get())
    throw std::logic_error("kin: this loan is of another connection, which was here when it was made");
  look_around_sometimes();
  put(frame_word(frame_kind::block, built.bytes().size()), built.number(), {}, until);
  built.hand_over();
  ring_reader();
}

// Whoever sends on is told so at once, too, and not when it happens to look again.
void ring_sender::throw_peer_closed() {
  os::streak = nullptr;
  looked_at_ = 0;
  throw closed_error("kin: the other end of the connection is closed");
}

// Publishing in memory tells nobody whether the reader still lives. It is asked for before a message, whenever time may
// have passed: in a streak of sends now and then, else each time; when its bell is to be rung; and when a reader has
// said that it closes its end. Not after the message: a reader that has seen it, and left, was sent it, and one that
// exits says nothing.
void ring_sender::look_around_sometimes() {
  const bool in_a_streak = std::exchange(os::streak, this) == this;
  has_looked_ = false;
  if ((control_.reader_bell.load(std::memory_order_relaxed) & bell_closed) != 0) [[unlikely]] {
    control_.reader_bell.fetch_and(~bell_closed);
    if (os::is_hung_up(socket_.get())) throw_peer_closed();
  }
  if (!in_a_streak) [[unlikely]] {
    streak_ = 0;
    look_around();
  } else if (++streak_ % looks_per_streak == 0) [[unlikely]] {
    look_around();
    // The further apart reader and writer are, the less they have to do with each other's lines.
    if (streak_ % sends_before_it_grows == 0) (void)grow();
  }
}

void ring_sender::look_around() {
  note_processor(control_.writer_processor);
  const std::uint64_t now = cpu::ticks();
  if (now - looked_at_ < cpu::a_moment()) return;
  looked_at_ = now;
  has_looked_ = true;
  if (os::is_hung_up(socket_.get())) throw_peer_closed();
}

// A reader may leave as soon as it has what it waited for: all that it has read was sent.
void ring_sender::tell_of_closed_end() {
  if (control_.position.load(std::memory_order_acquire) != control_.tail.load(std::memory_order_relaxed))
    throw_peer_closed();
}

// They are in the socket before the frame is in the ring: who sees the frame finds them there. With each batch goes
// where the frame will be, at or behind: should this sender die before it is, they are nobody's, and the next message's
// come behind them.
void ring_sender::send_descriptors(std::span<const unique_fd> fds, const deadline& until, bool& begun) {
  const descriptor_note note = note_of(ring_.position());
  std::vector<int> batch;
  while (!fds.empty()) {
    const auto some = fds.first(std::min(fds.size(), os::max_fds_per_message));
    batch.clear();
    for (const unique_fd& fd : some) batch.push_back(fd.get());
    if (!os::send_all(socket_.get(), note, batch, until)) throw_peer_closed();
    begun = true;
    fds = fds.subspan(some.size());
  }
}

void ring_sender::send_slowly(std::uint64_t word, std::uint64_t signature, std::span<const std::byte> bytes,
                              const deadline& until, bool& begun) {
  while (padded(bytes.size()) >= ring_.capacity() / 2 && grow()) {
  }
  if (padded(bytes.size()) < ring_.capacity() / 2) {
    put(word, signature, bytes, until);
    begun = false;
    return ring_reader();
  }
  put_in_pieces(frame_word(frame_kind::announcement, bytes.size(), descriptors_of_frame(word)), signature, {bytes},
                until, begun);
}

void ring_sender::send_in_pieces(std::uint64_t signature, const gathered_bytes& bytes, std::span<const unique_fd> fds,
                                 const deadline& until, bool& begun) {
  look_around_sometimes();
  const std::size_t size = bytes.size();
  const std::uint64_t word = frame_word(frame_kind::announcement, size, fds.size());
  if (!fds.empty()) send_descriptors(fds, until, begun);
  while (padded(size) >= ring_.capacity() / 2 && grow()) {
  }
  put_in_pieces(word, signature, bytes, until, begun);
}

void ring_sender::put_in_pieces(std::uint64_t announcement, std::uint64_t signature, const gathered_bytes& bytes,
                                const deadline& until, bool& begun) {
  std::size_t left = bytes.size();
  put(announcement, signature, {}, until);
  begun = true;
  ring_reader();
  const std::size_t most = std::min(most_in_a_piece, ring_.capacity() / 4);
  bytes.for_each_part([&](std::span<const std::byte> part) {
    while (!part.empty()) {
      const auto piece = part.first(std::min(part.size(), most));
      put(frame_word(frame_kind::piece, piece.size()), 0, piece, until);
      part = part.subspan(piece.size());
      left -= piece.size();
      begun = left != 0;
      ring_reader();
    }
  });
}

void ring_sender::put(std::uint64_t word, std::uint64_t signature, std::span<const std::byte> bytes,
                      const deadline& until) {
  const std::uint64_t begin = bytes.size() < bulk_size ? 0 : cpu::ticks();
  while (!ring_.try_put(word, signature, bytes))
    if (!grow()) wait_for_room(static_cast<std::size_t>(ring_.needed(word)), until);
  if (begin != 0) past_the_caches_.note(bytes.size(), cpu::ticks() - begin);
}

bool ring_sender::grow() {
  return ring_.grow([&](std::size_t at, std::size_t size) { return memory_->allocate(direction_, at, size); });
}

// False: nobody is at the other end any more. An event does not tell, so that is asked before, unless it just was.
bool ring_sender::ring(std::uint32_t whose) {
  bool is_there = true;
  if ((whose & (bell_asleep | bell_ringing)) != 0) {
    is_there = has_looked_ || !os::is_hung_up(socket_.get());
    ring_by_event(memory_->event(direction_), control_.reader_rung_at);
  }
  if ((whose & (bell_watched | bell_ringing)) != 0)
    is_there = ring_by_socket(socket_.get(), control_.reader_rung_at) && is_there;
  return is_there;
}

void ring_sender::ring_sleeping_reader() {
  if (mutant("reader's bell not rung")) return;
  const bool always = mutant("rung for what has been read");
  const std::uint32_t here = bell_rung_here();
  // Nobody sleeps beside what has been read meanwhile, and a poller would be told of nothing.
  if (control_.position.load(std::memory_order_acquire) == control_.tail.load(std::memory_order_relaxed) && !always)
    return;
  if (mutant("reader's bell taken after it is rung")) (void)ring(control_.reader_bell.load());
  // Taken before it is rung, so that a reader who finds it taken knows that a ring comes.
  const std::uint32_t bell = control_.reader_bell.exchange(here);
  // That somebody closes this end now is the next message's matter.
  const std::uint32_t kept = bell & bell_closed;
  constexpr std::uint32_t sleepers = bell_asleep | bell_watched;
  const std::uint32_t whose = bell & (mutant("ringer's death ignored") ? sleepers : sleepers | bell_ringing);
  const bool is_gone = whose != 0 && !mutant("reader's bell taken after it is rung") && !ring(whose);
  // An end that was closed meanwhile may have seen this message first; the next one is refused.
  const bool was_closed = ((bell | control_.reader_bell.load()) & bell_closed) != 0;
  control_.reader_bell.fetch_and(sleepers | bell_closed);
  if (kept != 0) control_.reader_bell.fetch_or(kept);
  if (is_gone && !was_closed) tell_of_closed_end();
}

int ring_sender::native_handle() {
  const auto hold = pollers_.lock();
  if (!pollers_.in_use()) pollers_.begin_for_end(socket_.get());
  return pollers_.native_handle();
}

// On a byte in the socket, until the reader has come as far as the bell says.
class ring_sender::room_sleep {
 public:
  room_sleep(ring_sender& of, std::size_t wanted) noexcept : of_(of), wanted_(wanted) {}
  void announce() {
    of_.control_.writer_bell.store(of_.ring_.position_for(wanted_));
    if (!mutant("writer's barrier left out")) before_last_look(of_.light_);
  }
  wait_end until_rung(const deadline& until) {
    std::array<std::byte, 64> rings;
    std::vector<unique_fd> no_fds;
    switch (os::recv_waiting(of_.socket_.get(), rings, no_fds, until).state) {
      case os::io_state::closed:
        return wait_end::closed;
      case os::io_state::would_block:
        return wait_end::deadline;
      case os::io_state::done:
        break;
    }
    note_wake(of_.control_.writer_rung_at.load(std::memory_order_relaxed));
    return wait_end::rung;
  }
  static bool skips_last_look() noexcept { return mutant("writer's last look left out"); }

 private:
  ring_sender& of_;
  std::size_t wanted_;
};

void ring_sender::wait_for_room(std::size_t size, const deadline& until) {
  // Once it waits it waits for half of the ring, so that the reader does not wake it for every message.
  const std::size_t wanted = std::max(size, ring_.capacity() / 2);
  const std::size_t worth_it = std::max(size, ring_.capacity() / 8);
  if (spin_for(control_.reader_processor, {}, [&] { return ring_.room() >= worth_it; })) return;
  room_sleep sleeper(*this, wanted);
  const wait_end how = sleep_until(sleeper, until, [&] {
    return (mutant("writer's last look at what it was told") ? ring_.room() : ring_.room_at_last()) >= size;
  });
  control_.writer_bell.store(0);
  if (how == wait_end::closed) throw_peer_closed();
  if (how == wait_end::deadline) throw os_error("send a message in time", "connection", ETIMEDOUT);
}

}  // namespace kin::detail
