// SPDX-License-Identifier: BSL-1.0
// ring_ends: see the header.
#include "transport/ring_ends.hpp"

#include <cerrno>

#include <kin/core/error.hpp>

#include "os/socket.hpp"

namespace kin::detail {

ring_ends::pair ring_ends::make(directions how) {
  const auto memory = std::make_shared<const ring_memory>(how == directions::both ? 2U : 1U);
  pair ends{std::make_unique<ring_ends>(), std::make_unique<ring_ends>()};
  const auto connect = [&](unsigned direction, ring_ends& from, ring_ends& to) {
    if (!memory->allocate(direction, 0, ring_capacity(0))) throw os_error("make a pipe", "fallocate", ENOMEM);
    auto [sending, receiving] = os::socket_pair();
    from.sender_.emplace(memory, direction, std::move(sending));
    from.out_ = direction;
    from.sends_ = true;
    to.receiver_.emplace(memory, direction, std::move(receiving), arrived_descriptors());
    to.in_ = direction;
    to.receives_ = true;
  };
  ends.first->memory_ = ends.second->memory_ = memory;
  connect(0, *ends.first, *ends.second);
  if (how == directions::both) connect(1, *ends.second, *ends.first);
  ends.first->attached_ = ends.second->attached_ = true;
  return ends;
}

void ring_ends::pass(writer& to) const {
  const auto event = [&](unsigned direction) {
    to.fd(attached_ ? memory_->event(direction) : luggage_.memory.events[direction].get());
  };
  to.fd(attached_ ? memory_->file() : luggage_.memory.file.get());
  if (sends_) {
    to(out_);
    event(out_);
    to.fd(attached_ ? sender_->socket() : luggage_.sending.get());
  }
  if (receives_) {
    to(in_);
    event(in_);
    to.fd(attached_ ? receiver_->socket() : luggage_.receiving.get());
    const arrived_descriptors& arrived = attached_ ? receiver_->arrived() : luggage_.arrived;
    to(static_cast<std::uint64_t>(arrived.size()));
    for (std::size_t i = 0; i < arrived.size(); ++i) {
      to(arrived.position(i), static_cast<bool>(arrived[i]));
      if (arrived[i]) to.fd(arrived[i].get());
    }
  }
}

std::unique_ptr<ring_ends> ring_ends::passed(reader& from, bool receives, bool sends) {
  if (!receives && !sends) throw decode_error("kin: a connection came that neither sends nor receives");
  auto end = std::make_unique<ring_ends>();
  end->receives_ = receives;
  end->sends_ = sends;
  end->luggage_.memory.file = from.fd();
  const auto direction = [&](unsigned& number) {
    from(number);
    if (number > 1) throw decode_error("kin: a connection came that has no such direction");
    end->luggage_.memory.events[number] = from.fd();
  };
  if (sends) {
    direction(end->out_);
    end->luggage_.sending = from.fd();
  }
  if (receives) {
    direction(end->in_);
    end->luggage_.receiving = from.fd();
    std::uint64_t n = 0;
    from(n);
    // Each takes bytes of the message: n cannot run away.
    for (; n > 0; --n) {
      const auto position = from.take<std::uint64_t>();
      end->luggage_.arrived.add(position, from.take<bool>() ? from.fd() : unique_fd());
    }
  }
  ring_memory::check(end->luggage_.memory);
  return end;
}

void ring_ends::break_off() noexcept {
  const std::scoped_lock hold(attaching_);
  if (sends_) os::shut_down(attached_ ? sender_->socket() : luggage_.sending.get());
  if (receives_ && attached_) receiver_->leave();
  if (receives_ && !attached_) os::shut_down(luggage_.receiving.get());
}

void ring_ends::attach() {
  const std::scoped_lock hold(attaching_);
  if (attached_) return;
  auto memory = std::make_shared<const ring_memory>(luggage_.memory);
  if (sends_) sender_.emplace(memory, out_, std::move(luggage_.sending));
  if (receives_) receiver_.emplace(memory, in_, std::move(luggage_.receiving), std::move(luggage_.arrived));
  memory_ = std::move(memory);
  // release: whoever sees it uses what was made.
  attached_.store(true, std::memory_order_release);
}

}  // namespace kin::detail
