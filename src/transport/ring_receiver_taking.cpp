// SPDX-License-Identifier: BSL-1.0
// ring_receiver, taking: what becomes of a frame that was seen; waiting for it and polling are in ring_receiver.cpp.
#include "transport/ring_receiver.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>

#include <kin/core/error.hpp>

#include "memory/bulk_copy.hpp"
#include "memory/mutant.hpp"
#include "transport/ring_blocks.hpp"
#include "transport/ring_wait.hpp"

namespace kin::detail {
namespace {

// More may be copied slowly: see memory/bulk_copy.hpp.
constexpr std::size_t appended_at_once = 1024;
// More than a socket has room for: who sends on and on is a liar.
constexpr unsigned most_batches = 1u << 16;

void copy_in(std::byte* to, std::span<const std::byte> from) noexcept {
  if (from.size() >= bulk_size) return bulk_copy_in(to, from);
  if (!from.empty()) std::memcpy(to, from.data(), from.size());
}

[[noreturn]] void throw_died_in_a_message() {
  throw closed_error("kin: the other end of the connection died in the middle of a message");
}

}  // namespace

void ring_receiver::ring_writer(std::uint64_t position) {
  std::uint64_t wanted = control_.writer_bell.load();
  if (wanted == 0 || position < wanted || mutant("writer's bell not rung")) return;
  ring_.give_back();
  if (mutant("writer's bell taken before it is rung")) control_.writer_bell.store(0);
  // A writer that is gone needs no ring. Rung before it is taken: whoever is killed in between leaves the bell to a
  // copy of this end. A writer that sets the same bell again meanwhile sees that there is room.
  (void)ring_by_socket(socket_.get(), control_.writer_rung_at);
  if (mutant("writer's bell taken whatever it says")) control_.writer_bell.store(0);
  control_.writer_bell.compare_exchange_strong(wanted, 0);
}

std::size_t ring_receiver::next_piece(std::uint64_t left, const deadline& until) {
  switch (wait_for_frame(until)) {
    case wait_end::closed:
      throw_died_in_a_message();
    case wait_end::deadline:
      throw_too_late();
    case wait_end::seen:
    case wait_end::rung:
      break;
  }
  const std::uint64_t size = size_of_frame(frame_);
  if (!is_frame(frame_, frame_kind::piece) || size == 0 || size > left) throw_damaged_ring();
  return static_cast<std::size_t>(size);
}

block_claim ring_receiver::take_block() {
  if (!is_frame(frame_, frame_kind::block)) return {};
  if (!blocks_) blocks_ = std::make_shared<ring_blocks>(memory_, direction_, ring_blocks::role::receiver);
  block_claim found = blocks_->show(ring_.second(), header_.size);
  pass_frame();
  end_taking();
  return found;
}

template <class Sink>
void ring_receiver::take_bytes(Sink&& sink, const deadline& until) {
  if (is_frame(frame_, frame_kind::block)) [[unlikely]]
    return sink(take_block().bytes());
  const auto pour = [&](std::size_t size) {
    const auto here = ring_.piece(frame_, 0, size);
    sink(here);
    if (here.size() < size) [[unlikely]]
      sink(ring_.piece(frame_, here.size(), size - here.size()));
    pass_frame();
  };
  if (!is_frame(frame_, frame_kind::announcement)) [[likely]] {
    pour(static_cast<std::size_t>(header_.size));
  } else {
    pass_frame();
    for (std::uint64_t left = header_.size; left > 0;) {
      const std::size_t size = next_piece(left, until);
      left -= size;
      pour(size);
    }
  }
  end_taking();
}

// Takes what is in the socket up to the next batch that may be this frame's, and that. False: there is none. What is a
// later message's stays there, for whichever holder of this end takes that.
bool ring_receiver::take_next_descriptors() {
  if (arrived_.has_later_than(ring_.at())) return false;
  std::array<std::byte, rings_at_once> next;
  const std::size_t size = os::peek(socket_.get(), next);
  if (size == 0) return false;
  const noted note = find_note(std::span(next).first(size));
  if (note.position && *note.position > ring_.at()) return false;
  // A note that `next` has no room for is looked at again when the rings before it are gone.
  const std::size_t whole = note.position ? note.at + std::tuple_size_v<descriptor_note> : note.at;
  return take_rings(whole > 0 ? whole : size).state == os::io_state::done;
}

// All that is in the socket up to this message's comes out: before them may be those of one that never came.
void ring_receiver::take_descriptors(std::uint32_t wanted, std::vector<unique_fd>& fds) {
  for (unsigned i = 0; i < most_batches && take_next_descriptors(); ++i) {
  }
  switch (arrived_.take(ring_.at(), wanted, fds)) {
    case arrived_descriptors::found::all:
      return;
    case arrived_descriptors::found::lost:
      os::throw_no_room_for_descriptors();
    case arrived_descriptors::found::too_few:
      throw decode_error("kin: a message came without the file descriptors it announced");
  }
}

std::size_t ring_receiver::take_if_simple(std::span<std::byte> room) {
  if (wait_for_frame(deadline::never()) != wait_end::seen) return not_taken;
  const std::uint64_t size = size_of_frame(frame_);
  if (!is_frame(frame_, frame_kind::raw_message) || descriptors_of_frame(frame_) != 0 || size > room.size())
    return not_taken;
  const auto bytes = ring_.piece(frame_, 0, static_cast<std::size_t>(size));
  if (bytes.size() < size) return not_taken;
  if (mutant("given back before it is copied")) pass_frame();
  if (size == 8) [[likely]]
    std::memcpy(room.data(), bytes.data(), 8);
  else
    copy_in(room.data(), bytes);
  if (!mutant("given back before it is copied")) pass_frame();
  end_taking();
  return bytes.size();
}

parcel ring_receiver::take(const deadline& until) {
  parcel message;
  if (header_.descriptors != 0) take_descriptors(header_.descriptors, message.fds);
  // A liar may announce any size: beyond what is trusted, memory grows with what has arrived.
  message.bytes.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(header_.size, trusted_allocation)));
  take_bytes(
      [&](std::span<const std::byte> piece) {
        while (!piece.empty()) {
          const auto some = piece.first(std::min(piece.size(), appended_at_once));
          message.bytes.insert(message.bytes.end(), some.begin(), some.end());
          piece = piece.subspan(some.size());
        }
      },
      until);
  return message;
}

std::vector<unique_fd> ring_receiver::begin_pieces() {
  std::vector<unique_fd> fds;
  if (header_.descriptors != 0) take_descriptors(header_.descriptors, fds);
  to_come_ = header_.size;
  shown_before_ = shown_now_ = 0;
  pass_frame();
  frame_ = 0;
  if (to_come_ == 0) end_taking();
  return fds;
}

std::span<const std::byte> ring_receiver::next_of_pieces(const deadline& until) {
  if (to_come_ == 0) return {};
  shown_before_ += std::exchange(shown_now_, 0);
  if (frame_ != 0 && shown_before_ == size_of_frame(frame_)) {
    to_come_ -= std::exchange(shown_before_, 0);
    pass_frame();
    frame_ = 0;
    if (to_come_ == 0) {
      end_taking();
      return {};
    }
  }
  const std::size_t size = frame_ != 0 ? static_cast<std::size_t>(size_of_frame(frame_)) : next_piece(to_come_, until);
  const auto here = ring_.piece(frame_, shown_before_, size - shown_before_);
  shown_now_ = here.size();
  return here;
}

void ring_receiver::take_into(std::span<std::byte> room, const deadline& until) {
  take_bytes(
      [&](std::span<const std::byte> piece) {
        copy_in(room.data(), piece);
        room = room.subspan(piece.size());
      },
      until);
}

}  // namespace kin::detail
