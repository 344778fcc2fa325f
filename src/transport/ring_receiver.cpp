// SPDX-License-Identifier: BSL-1.0
// ring_receiver: see the header.
#include "transport/ring_receiver.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <iterator>

#include <kin/core/error.hpp>

#include "memory/wake_cost.hpp"
#include "os/poll.hpp"
#include "os/socket.hpp"
#include "os/streak.hpp"
#include "transport/ring_frame.hpp"
#include "transport/ring_wait.hpp"

namespace kin::detail {
namespace {

constexpr std::size_t most_in_a_piece = std::size_t{32} << 10;
// A reader in a streak looks seldom, so that the writer gets ahead and the line between them changes hands less often.
constexpr int pauses_in_a_streak = 16;
// Before anything is asked about where the writer runs: a tenth of what a sleep costs, at most.
constexpr int looks_at_first = 8;

[[noreturn]] void throw_died_in_a_message() {
  throw closed_error("kin: the other end of the connection died in the middle of a message");
}
[[noreturn]] void throw_too_late() { throw os_error("receive a message in time", "connection", ETIMEDOUT); }

}  // namespace

ring_receiver::ring_receiver(std::shared_ptr<const ring_memory> memory, unsigned direction, unique_fd socket,
                             std::vector<unique_fd> arrived)
    : memory_(std::move(memory)),
      control_(memory_->control(direction)),
      ring_(control_, memory_->data(direction)),
      socket_(std::move(socket)),
      arrived_(std::move(arrived)),
      direction_(direction),
      light_(memory_->light()) {}

ring_receiver::~ring_receiver() {
  socket_.reset();
  // Only now: whoever sees it asks the socket.
  control_.reader_bell.fetch_or(bell_closed);
}

// --- waiting --------------------------------------------------------------------------------------------------------

ring_receiver::arrival ring_receiver::wait_for(std::size_t bytes, deadline until) {
  const bool in_a_streak = os::streak == this;
  os::streak = this;
  const auto look = [&] { return ring_.readable(bytes) >= bytes; };
  // All that was known is read. In a streak the writer is given time to get ahead; else an answer may be near.
  const bool lags = in_a_streak && bytes == ring_words_size;
  if (lags && !ring_.knows(bytes))
    for (int k = 0; k < pauses_in_a_streak; ++k) cpu::pause();
  if (look()) [[likely]]
    return arrival::data;
  for (int i = 0; i < looks_at_first; ++i) {
    cpu::pause();
    if (look()) return arrival::data;
  }
  note_processor(control_.reader_processor);
  if (until.is_never() || !until.passed())
    if (spin_until(control_.writer_processor, lags ? pauses_in_a_streak : 1, look)) return arrival::data;
  return pollers_.in_use() ? sleep_beside_pollers(bytes, until) : sleep(bytes, until);
}

void ring_receiver::set_bell() {
  control_.reader_bell.fetch_or(bell_asleep);
  bell_set_ = true;
  before_last_look(light_);
}

void ring_receiver::clear_bell() {
  if ((control_.reader_bell.fetch_and(~bell_asleep) & bell_asleep) == 0) ring_due_ = true;
  bell_set_ = false;
}

ring_receiver::arrival ring_receiver::sleep(std::size_t bytes, deadline until) {
  std::array<std::byte, 64> rings;
  for (;;) {
    set_bell();
    if (ring_.readable(bytes) >= bytes) {
      clear_bell();
      return arrival::data;
    }
    const os::io_result woken = os::recv_waiting(socket_.get(), rings, arrived_, until);
    if (woken.state == os::io_state::done) {
      ring_due_ = false;
      note_wake(control_.reader_rung_at.load(std::memory_order_relaxed));
      // Taken by the writer who has rung; else the byte was an older one.
      if ((control_.reader_bell.load() & bell_asleep) != 0) {
        if (ring_.readable(bytes) < bytes) continue;
        clear_bell();
      }
      bell_set_ = false;
    } else {
      clear_bell();
    }
    // After the end of file, too: what the writer did before it ended is all there.
    if (ring_.readable(bytes) >= bytes) return arrival::data;
    if (woken.state == os::io_state::closed) return arrival::end;
    if (woken.state == os::io_state::would_block) return arrival::deadline;
  }
}

// The bytes stay in the socket for as long as there is something to be read: they are what pollers see.
ring_receiver::arrival ring_receiver::sleep_beside_pollers(std::size_t bytes, deadline until) {
  std::array<std::byte, 64> rings;
  for (;;) {
    set_bell();
    if (ring_.readable(bytes) >= bytes) return arrival::data;
    const bool in_time = os::poll_until(socket_.get(), POLLIN, until);
    if (ring_.readable(bytes) >= bytes) return arrival::data;
    if (!in_time) return arrival::deadline;
    if (os::recv_some(socket_.get(), rings, arrived_).state == os::io_state::closed)
      return ring_.readable(bytes) >= bytes ? arrival::data : arrival::end;
  }
}

bool ring_receiver::poll(deadline until) { return wait_for(ring_words_size, until) != arrival::deadline; }

const frame_header& ring_receiver::next(deadline until) {
  switch (wait_for(ring_words_size, until)) {
    case arrival::end:
      throw closed_error("kin: the other end of the connection is closed");
    case arrival::deadline:
      throw_too_late();
    case arrival::data:
      break;
  }
  const ring_words words = ring_.words();
  header_ = {frame_magic, descriptors_of_frame(words.first), size_of_frame(words.first), words.second};
  return header_;
}

// --- taking ---------------------------------------------------------------------------------------------------------

void ring_receiver::give_back(std::size_t bytes) {
  const std::uint64_t head = ring_.advance(bytes);
  after_publication(light_);
  std::uint64_t wanted = control_.writer_bell.load(std::memory_order_relaxed);
  if (wanted == 0 || head < wanted) [[likely]]
    return;
  // A writer that is gone needs no ring. Rung before it is taken: whoever is killed in between leaves the bell to a
  // copy of this end. A writer that sets the same bell again meanwhile sees that there is room.
  (void)ring_by_socket(socket_.get(), control_.writer_rung_at);
  control_.writer_bell.compare_exchange_strong(wanted, 0);
}

template <class Sink>
void ring_receiver::take_bytes(Sink&& sink, deadline until) {
  const auto pour = [&](std::size_t skip, std::size_t size) {
    while (size > 0) {
      const auto piece = ring_.piece(skip, size);
      sink(piece);
      skip += piece.size();
      size -= piece.size();
    }
  };
  std::uint64_t left = header_.size;
  const std::uint64_t whole = ring_words_size + padded(left);
  if (whole <= most_in_a_piece && ring_.readable(static_cast<std::size_t>(whole)) >= whole) [[likely]] {
    pour(ring_words_size, static_cast<std::size_t>(left));
    give_back(static_cast<std::size_t>(whole));
  } else {
    give_back(ring_words_size);
    while (left > 0) {
      switch (wait_for(8, until)) {
        case arrival::end:
          throw_died_in_a_message();
        case arrival::deadline:
          throw_too_late();
        case arrival::data:
          break;
      }
      const auto size = static_cast<std::size_t>(
          std::min<std::uint64_t>({ring_.readable(8) & ~std::size_t{7}, padded(left), most_in_a_piece}));
      pour(0, static_cast<std::size_t>(std::min<std::uint64_t>(size, left)));
      left -= std::min<std::uint64_t>(size, left);
      give_back(size);
    }
  }
  if (pollers_.in_use()) [[unlikely]]
    settle(occasion::taking);
}

void ring_receiver::take_descriptors(std::uint32_t wanted, std::vector<unique_fd>& fds) {
  std::array<std::byte, 64> rings;
  while (arrived_.size() < wanted)
    if (os::recv_some(socket_.get(), rings, arrived_).state != os::io_state::done)
      throw decode_error("kin: a message came without the file descriptors it announced");
  const auto end = arrived_.begin() + static_cast<std::ptrdiff_t>(wanted);
  fds.assign(std::move_iterator(arrived_.begin()), std::move_iterator(end));
  arrived_.erase(arrived_.begin(), end);
}

parcel ring_receiver::take(deadline until) {
  parcel message;
  if (header_.descriptors != 0) take_descriptors(header_.descriptors, message.fds);
  // A liar may announce any size: beyond what is trusted, memory grows with what has arrived.
  message.bytes.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(header_.size, trusted_allocation)));
  take_bytes(
      [&](std::span<const std::byte> piece) { message.bytes.insert(message.bytes.end(), piece.begin(), piece.end()); },
      until);
  return message;
}

void ring_receiver::take_into(std::span<std::byte> room, deadline until) {
  take_bytes(
      [&](std::span<const std::byte> piece) {
        std::memcpy(room.data(), piece.data(), piece.size());
        room = room.subspan(piece.size());
      },
      until);
}

// --- polling --------------------------------------------------------------------------------------------------------

bool ring_receiver::is_empty() const {
  // A reader of its own: native_handle() may be called beside the thread that receives.
  ring_reader look(control_, memory_->data(direction_));
  return look.readable(1) == 0;
}

// After something was taken, and before the first poll: readable exactly if something is left. While nothing is there
// the bell is set, so that the next message makes the socket readable.
void ring_receiver::settle(occasion when) {
  const auto hold = pollers_.lock();
  if (is_empty()) {
    const bool taken = when == occasion::taking && bell_set_ && (control_.reader_bell.load() & bell_asleep) == 0;
    // The writer sends that byte next, or is dead, which makes the socket readable, too. Only where several processes
    // hold this end may another of them have taken it: hence the limit.
    if (taken || ring_due_)
      (void)os::poll_until(socket_.get(), POLLIN, deadline::after(std::chrono::milliseconds(100)));
    // At the first poll a thread may sleep here already, for whom that byte is.
    if (when == occasion::taking || ring_due_) {
      std::array<std::byte, 64> rings;
      (void)os::recv_some(socket_.get(), rings, arrived_);
    }
    ring_due_ = false;
    pollers_.clear();
    set_bell();
    if (is_empty()) return;
  }
  pollers_.set();
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
