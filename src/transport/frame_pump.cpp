// SPDX-License-Identifier: BSL-1.0
// frame_pump: see the header. On the wire: header (with up to 253 descriptors), one byte of padding for each further
// batch of descriptors, the message (one byte of padding when it is empty); as channel::send writes it.
#include "transport/frame_pump.hpp"

#include <algorithm>
#include <array>

#include <kin/core/error.hpp>

#include "os/socket.hpp"

namespace kin::detail {
namespace {
constexpr std::byte padding_byte{0};

std::size_t extra_batches(std::size_t fds) {
  return fds <= os::max_fds_per_message ? 0 : (fds - 1) / os::max_fds_per_message;
}
}  // namespace

void frame_pump::send(std::uint64_t signature, std::shared_ptr<const parcel> message) {
  const frame_header header{frame_magic, static_cast<std::uint32_t>(message->fds.size()), message->bytes.size(),
                            signature};
  outbox_.push_back({header, std::move(message)});
  flush();
}

void frame_pump::shut() noexcept { os::shut_for_writing(socket_); }

bool frame_pump::flush() {
  std::size_t moved = 0;
  while (wants_to_write() && moved < per_round) {
    outgoing& out = outbox_.front();
    const std::size_t before = out.sent;
    if (!send_step(out)) break;
    moved += out.sent - before;
    const std::size_t whole = sizeof out.header + extra_batches(out.message->fds.size()) +
                              std::max<std::size_t>(out.message->bytes.size(), 1);
    if (out.sent == whole) outbox_.pop_front();
  }
  return moved > 0;
}

// The kernel tells by ECONNRESET, if nobody else (a child that the peer has forked) holds the peer's end open.
bool frame_pump::died_before_reading() const noexcept { return unread_ || !outbox_.empty() || os::has_unread(socket_); }

// One sendmsg at the place reached. False: the socket is full, or the peer gone.
bool frame_pump::send_step(outgoing& out) {
  const std::size_t batches = extra_batches(out.message->fds.size());
  std::array<int, os::max_fds_per_message> numbers{};
  std::size_t n = 0;
  std::array<iovec, 2> pieces{};
  const auto piece = [](const std::byte* p, std::size_t size) { return iovec{const_cast<std::byte*>(p), size}; };
  const auto body = [&] {
    const std::size_t at = out.sent - std::min(out.sent, sizeof out.header + batches);
    return out.message->bytes.empty() ? piece(&padding_byte, 1)
                                      : piece(out.message->bytes.data() + at, out.message->bytes.size() - at);
  };
  // A batch of descriptors goes with the first byte of the header or with its own byte of padding.
  if (out.sent < sizeof out.header + batches) {
    if (out.sent == 0 || out.sent >= sizeof out.header) {
      n = std::min(out.message->fds.size() - out.fds_sent, os::max_fds_per_message);
      for (std::size_t i = 0; i < n; ++i) numbers[i] = out.message->fds[out.fds_sent + i].get();
    }
    if (out.sent < sizeof out.header) {
      pieces[0] = piece(reinterpret_cast<const std::byte*>(&out.header) + out.sent, sizeof out.header - out.sent);
      if (batches == 0) pieces[1] = body();
    } else {
      pieces[0] = piece(&padding_byte, 1);
    }
  } else {
    pieces[0] = body();
  }
  const os::io_result result = os::send_some(socket_, pieces, std::span(numbers.data(), n));
  if (result.state == os::io_state::closed) unwritable_ = true;
  if (result.state != os::io_state::done) return false;
  out.sent += result.bytes;
  if (result.bytes > 0) out.fds_sent += n;
  return true;
}

bool frame_pump::fill(std::span<std::byte> room, std::size_t& have, std::size_t& most) {
  while (have < room.size()) {
    if (most == 0) return false;
    const os::io_result got =
        os::recv_some(socket_, room.subspan(have, std::min(most, room.size() - have)), incoming_.fds);
    if (got.state == os::io_state::closed) {
      closed_ = true;
      unread_ = got.unread;
    }
    if (got.state != os::io_state::done) return false;
    have += got.bytes;
    most -= got.bytes;
  }
  return true;
}

std::optional<frame_pump::frame> frame_pump::receive(std::size_t most) {
  if (closed_) return std::nullopt;
  if (!fill(std::as_writable_bytes(std::span(&header_, 1)), header_have_, most)) return std::nullopt;
  check_frame(header_);
  const std::size_t batches = extra_batches(header_.descriptors);
  const std::uint64_t whole = batches + std::max<std::uint64_t>(header_.size, 1);
  while (body_have_ < whole) {
    if (body_have_ == incoming_.bytes.size())
      incoming_.bytes.resize(static_cast<std::size_t>(
          std::min<std::uint64_t>(whole, body_have_ + std::max(trusted_allocation, body_have_))));
    if (!fill(incoming_.bytes, body_have_, most)) return std::nullopt;
  }
  if (incoming_.fds.size() != header_.descriptors)
    throw decode_error("kin: a message came with other file descriptors than it announced");
  incoming_.bytes.erase(incoming_.bytes.begin(), incoming_.bytes.begin() + static_cast<std::ptrdiff_t>(batches));
  incoming_.bytes.resize(static_cast<std::size_t>(header_.size));
  frame result{header_.signature, std::move(incoming_)};
  incoming_ = {};
  header_have_ = body_have_ = 0;
  return result;
}

}  // namespace kin::detail
