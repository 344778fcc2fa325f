// SPDX-License-Identifier: BSL-1.0
// channel: see the header.
#include <kin/transport/channel.hpp>

#include <algorithm>
#include <array>
#include <cerrno>

#include <kin/core/error.hpp>
#include <kin/wire/codec.hpp>

#include "os/poll.hpp"
#include "os/socket.hpp"
#include "transport/ring_ends.hpp"

namespace kin::detail {
namespace {

constexpr std::byte padding{0};

// Linux refuses more in flight than RLIMIT_NOFILE anyway; a header that claims more is no header of ours.
constexpr std::uint32_t most_descriptors = 1u << 20;

[[noreturn]] void throw_peer_closed() { throw closed_error("kin: the other end of the connection is closed"); }

}  // namespace

void check_frame(const frame_header& header) {
  if (header.magic != frame_magic || header.descriptors > most_descriptors)
    throw decode_error("kin: what arrived is not a message of kin; the connection has been closed");
}

channel::channel(unique_fd socket, bool readable, bool writable) noexcept
    : socket_(std::move(socket)), readable_(readable), writable_(writable) {}
channel::channel(std::unique_ptr<ring_ends> rings) noexcept
    : rings_(std::move(rings)), readable_(rings_->receives()), writable_(rings_->sends()) {}
channel::channel(channel&& other) noexcept = default;
channel& channel::operator=(channel&& other) noexcept = default;
channel::~channel() = default;

void channel::require(bool direction, const char* doing) const {
  if (closed()) throw closed_error("kin: this connection is closed");
  if (!direction) throw os_error(doing, "connection", EBADF);
}

// The peer could not find the start of the frame behind one that ends too early. One that is gone does not look, and
// what it had sent before can still be received.
template <class Send>
void channel::break_off_if_cut(Send&& send) {
  bool begun = false;
  try {
    send(begun);
  } catch (const closed_error&) {
    throw;
  } catch (...) {
    if (begun) break_off();
    throw;
  }
}

void channel::send(std::uint64_t signature, std::span<const std::byte> bytes, std::span<const unique_fd> fds,
                   const deadline& until) {
  if (!writable_ || closed()) [[unlikely]]
    require(writable_, "send on the receiving end of a simplex pipe");
  if (!rings_) [[unlikely]]
    return send_by_socket(signature, {bytes}, fds, until);
  break_off_if_cut([&](bool& begun) { rings_->sender().send(signature, bytes, fds, until, begun); });
}

void channel::send(std::uint64_t signature, const gathered_bytes& bytes, std::span<const unique_fd> fds,
                   const deadline& until) {
  require(writable_, "send on the receiving end of a simplex pipe");
  if (!rings_) return send_by_socket(signature, bytes, fds, until);
  break_off_if_cut([&](bool& begun) { rings_->sender().send_in_pieces(signature, bytes, fds, until, begun); });
}

void channel::send_by_socket(std::uint64_t signature, const gathered_bytes& bytes, std::span<const unique_fd> fds,
                             const deadline& until) {
  const frame_header header{frame_magic, static_cast<std::uint32_t>(fds.size()), bytes.size(), signature};
  std::array<iovec, 2> pieces{{{const_cast<frame_header*>(&header), sizeof header}, {}}};
  // Descriptors beyond the kernel's limit for one message follow the header on a byte of padding each batch.
  std::vector<int> batch;
  std::size_t next_fd = 0;
  bool header_sent = false;
  try {
    do {
      const std::size_t n = std::min(fds.size() - next_fd, os::max_fds_per_message);
      batch.clear();
      for (std::size_t i = 0; i < n; ++i) batch.push_back(fds[next_fd + i].get());
      next_fd += n;
      if (next_fd < fds.size() || header_sent) {
        const auto part = header_sent ? std::span(&padding, 1) : std::as_bytes(std::span(&header, 1));
        if (!os::send_all(socket_.get(), part, batch, until)) throw_peer_closed();
        header_sent = true;
        batch.clear();
      }
    } while (next_fd < fds.size());
    auto rest_of_header = header_sent ? std::span<const std::byte>{} : std::as_bytes(std::span(&header, 1));
    const auto send_part = [&](std::span<const std::byte> payload) {
      while (!rest_of_header.empty() || !payload.empty()) {
        pieces[0] = {const_cast<std::byte*>(rest_of_header.data()), rest_of_header.size()};
        pieces[1] = {const_cast<std::byte*>(payload.data()), payload.size()};
        const os::io_result sent = os::send_some(socket_.get(), pieces, batch);
        if (sent.state == os::io_state::closed) throw_peer_closed();
        if (sent.state == os::io_state::would_block) {
          if (!os::poll_until(socket_.get(), POLLOUT, until))
            throw os_error("send a message in time", "sendmsg", ETIMEDOUT);
          continue;
        }
        if (sent.bytes > 0) {
          batch.clear();
          header_sent = true;
        }
        const std::size_t of_header = std::min(sent.bytes, rest_of_header.size());
        rest_of_header = rest_of_header.subspan(of_header);
        payload = payload.subspan(sent.bytes - of_header);
      }
    };
    if (header.size == 0) return send_part(std::span(&padding, 1));
    bytes.for_each_part(send_part);
  } catch (const closed_error&) {
    throw;
  } catch (...) {
    if (header_sent) break_off();
    throw;
  }
}

block_claim channel::lend(std::size_t size) {
  require(writable_, "send on the receiving end of a simplex pipe");
  return rings_ ? rings_->sender().lend(size) : block_claim{};
}

void channel::send_block(block_claim built, const deadline& until) {
  require(writable_, "send on the receiving end of a simplex pipe");
  rings_->sender().send_block(std::move(built), until);
}

// A reader that was lied to, or has lost descriptors, cannot go on. That nothing came in time, or nothing will, is no
// such failure.
template <class Call>
decltype(auto) channel::or_break_off(Call&& call) {
  try {
    return call();
  } catch (const closed_error&) {
    throw;
  } catch (const os_error& e) {
    if (e.code().value() != ETIMEDOUT) break_off();
    throw;
  } catch (...) {
    break_off();
    throw;
  }
}

bool channel::poll(const deadline& until) {
  require(readable_, "receive on the sending end of a simplex pipe");
  if (rings_) return or_break_off([&, &from = rings_->receiver()] { return from.poll(until); });
  return pending_ || os::poll_until(socket_.get(), POLLIN, until);
}

void channel::read_header(const deadline& until) {
  frame_header header{};
  auto rest = std::as_writable_bytes(std::span(&header, 1));
  std::vector<unique_fd> fds;
  bool begun = false, lost = false;
  while (!rest.empty()) {
    const os::io_result got = os::recv_some(socket_.get(), rest, fds, 0, does_without_descriptors_ ? &lost : nullptr);
    if (got.state == os::io_state::closed) {
      if (begun) throw closed_error("kin: the other end of the connection died in the middle of a message");
      throw_peer_closed();
    }
    if (got.state == os::io_state::would_block) {
      // Once begun the header is waited for without a limit: a kin sender writes it in one piece.
      if (!os::poll_until(socket_.get(), POLLIN, begun ? deadline::never() : until))
        throw os_error("receive a message in time", "recvmsg", ETIMEDOUT);
      continue;
    }
    begun = true;
    rest = rest.subspan(got.bytes);
  }
  try {
    check_frame(header);
  } catch (const decode_error&) {
    break_off();
    throw;
  }
  if (lost) {
    if (header.descriptors > os::max_fds_per_message) os::throw_no_room_for_descriptors();  // there are more batches
    fds.clear();
    header.descriptors = 0;
  }
  pending_ = header;
  pending_fds_ = std::move(fds);
}

const frame_header& channel::next(const deadline& until) {
  require(readable_, "receive on the sending end of a simplex pipe");
  if (rings_)
    return or_break_off([&, &from = rings_->receiver()]() -> const frame_header& { return from.next(until); });
  if (!pending_) {
    try {
      read_header(until);
    } catch (const os_error& e) {
      // At the deadline nothing of the header may have come; any other failure has lost part of it.
      if (e.code().value() != ETIMEDOUT) break_off();
      throw;
    }
  }
  return *pending_;
}

parcel channel::take(const deadline& until) {
  if (!rings_ || !rings_->receiver().has_shown()) next(until);
  try {
    return rings_ ? rings_->receiver().take(until) : take_pending(until);
  } catch (...) {
    break_off();  // the next frame's start cannot be found any more
    throw;
  }
}

block_claim channel::take_block() {
  if (!rings_) return {};
  return or_break_off([&] { return rings_->receiver().take_block(); });
}

bool channel::comes_in_parts() const noexcept { return rings_ && rings_->receiver().shows_announcement(); }

std::shared_ptr<const void> channel::begin_parts(std::vector<unique_fd>& fds) {
  try {
    fds = rings_->receiver().begin_pieces();
    return rings_->receiver().memory();
  } catch (...) {
    break_off();
    throw;
  }
}

std::span<const std::byte> channel::next_part(const deadline& until) {
  // By its decoder.
  if (closed() || !rings_ || !readable_)
    throw closed_error("kin: this connection was closed while a message was received");
  try {
    return rings_->receiver().next_of_pieces(until);
  } catch (...) {
    break_off();
    throw;
  }
}

std::size_t channel::take_if_simple(std::span<std::byte> room) {
  if (!readable_ || !rings_ || closed()) return not_taken;
  return or_break_off([&] { return rings_->receiver().take_if_simple(room); });
}

void channel::take_into(std::span<std::byte> room, const deadline& until) {
  if (!rings_) {
    const parcel message = take(until);
    std::copy(message.bytes.begin(), message.bytes.end(), room.begin());
    return;
  }
  try {
    rings_->receiver().take_into(room, until);
  } catch (...) {
    break_off();
    throw;
  }
}

parcel channel::take_pending(const deadline& until) {
  const frame_header header = *pending_;
  parcel message;
  message.fds = std::move(pending_fds_);
  const auto fill = [&](std::span<std::byte> room) {
    if (!os::recv_all(socket_.get(), room, message.fds, until))
      throw closed_error("kin: the other end of the connection died in the middle of a message");
  };
  for (std::byte batch{}; message.fds.size() < header.descriptors;) {
    const std::size_t before = message.fds.size();
    fill(std::span(&batch, 1));
    if (message.fds.size() == before)
      throw decode_error("kin: a message came without the file descriptors it announced");
  }
  if (header.size == 0) {
    std::byte pad{};
    fill(std::span(&pad, 1));
  }
  for (std::size_t have = 0; have < header.size;) {
    const std::size_t step = std::max(trusted_allocation, have);
    const std::size_t upto = header.size - have > step ? have + step : static_cast<std::size_t>(header.size);
    message.bytes.resize(upto);
    fill(std::span(message.bytes).subspan(have));
    have = upto;
  }
  pending_.reset();
  if (message.fds.size() != header.descriptors)
    throw decode_error("kin: a message came with more file descriptors than it announced");
  return message;
}

std::optional<parcel> channel::take_any(const deadline& until) {
  try {
    return take(until);
  } catch (const closed_error&) {
    return std::nullopt;
  }
}

bool channel::closed() const noexcept { return broken_.is_set() || (!socket_ && !rings_); }

// Perhaps another thread is at work in the other direction: it hears of the end, and what it uses stays.
void channel::break_off() noexcept {
  broken_.set();
  if (rings_)
    rings_->break_off();
  else
    os::shut_down(socket_.get());
}

void channel::close() noexcept {
  rings_.reset();
  socket_.reset();
  pending_.reset();
  pending_fds_.clear();
}

int channel::native_handle() const {
  if (closed()) return -1;
  if (!rings_) return socket_.get();
  return rings_->receives() ? rings_->receiver().native_handle() : rings_->sender().native_handle();
}

std::vector<int> channel::sockets() const {
  if (!rings_) return {socket_.get()};
  std::vector<int> all;
  if (rings_->sends()) all.push_back(rings_->sender().socket());
  if (rings_->receives()) all.push_back(rings_->receiver().socket());
  return all;
}

std::pair<channel, channel> channel::over_rings() {
  auto [a, b] = ring_ends::make(ring_ends::directions::both);
  return {channel(std::move(a)), channel(std::move(b))};
}

void channel::pass(writer& to) const {
  if (closed()) throw encode_error("kin: a closed connection cannot be sent to another process");
  to(readable_, writable_, rings_ != nullptr);
  if (rings_) return rings_->pass(to);
  to.fd(socket_.get());
  to(pending_.has_value());
  if (!pending_) return;
  to(pending_->descriptors, pending_->size, pending_->signature, static_cast<std::uint64_t>(pending_fds_.size()));
  for (const auto& fd : pending_fds_) to.fd(fd.get());
}

channel channel::passed(reader& from) {
  bool readable = false, writable = false, over_rings = false;
  from(readable, writable, over_rings);
  if (over_rings) return channel(ring_ends::passed(from, readable, writable));
  channel result(from.fd(), readable, writable);
  bool has_pending = false;
  from(has_pending);
  if (!has_pending) return result;
  result.pending_.emplace();
  result.pending_->magic = frame_magic;
  std::uint64_t n = 0;
  from(result.pending_->descriptors, result.pending_->size, result.pending_->signature, n);
  for (; n > 0; --n) result.pending_fds_.push_back(from.fd());  // each takes bytes of the message: n cannot run away
  return result;
}

}  // namespace kin::detail
