// SPDX-License-Identifier: BSL-1.0
// ring_sender: the sending side of one direction of a pipe: frames into the byte ring, descriptors over the socket, and
// the bell of a reader who sleeps. Station 3 of the journey of a message (docs/data_flow.md). One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include <kin/core/deadline.hpp>
#include <kin/os/unique_fd.hpp>
#include <kin/transport/block_claim.hpp>
#include <kin/wire/lending.hpp>

#include "memory/bulk_copy.hpp"
#include "memory/byte_ring.hpp"
#include "memory/mutant.hpp"
#include "transport/readiness.hpp"
#include "transport/ring_memory.hpp"
#include "transport/ring_wait.hpp"

namespace kin::detail {

class ring_sender {
 public:
  ring_sender(std::shared_ptr<const ring_memory> memory, unsigned direction, unique_fd socket) noexcept;

  /// See channel::send. `begun` becomes true when part of the message has gone: it can only be finished then.
  void send(std::uint64_t signature, std::span<const std::byte> bytes, std::span<const unique_fd> fds,
            const deadline& until, bool& begun);
  /// The same for a message in parts, which goes in pieces whatever its size.
  void send_in_pieces(std::uint64_t signature, const gathered_bytes& bytes, std::span<const unique_fd> fds,
                      const deadline& until, bool& begun);

  /// A block to build a message in; empty: there is none, build it elsewhere.
  block_claim lend(std::size_t size);
  /// Sends the message of `size` bytes that was built there.
  void send_block(block_claim built, const deadline& until);

  /// Readable when nobody receives any more. Throws os_error when it is first needed and cannot be made.
  [[nodiscard]] int native_handle();
  [[nodiscard]] int socket() const noexcept { return socket_.get(); }
  [[nodiscard]] unsigned direction() const noexcept { return direction_; }

 private:
  void look_around_sometimes();
  void look_around();
  void tell_of_closed_end();
  [[noreturn]] void throw_peer_closed();
  [[nodiscard]] bool ring(std::uint32_t whose);
  void send_descriptors(std::span<const unique_fd> fds, const deadline& until, bool& begun);
  void send_slowly(std::uint64_t word, std::uint64_t signature, std::span<const std::byte> bytes, const deadline& until,
                   bool& begun);
  void put_in_pieces(std::uint64_t announcement, std::uint64_t signature, const gathered_bytes& bytes,
                     const deadline& until, bool& begun);
  void put(std::uint64_t word, std::uint64_t signature, std::span<const std::byte> bytes, const deadline& until);
  void ring_reader() {
    after_publication(light_);
    // acquire: before the bell. Whoever still reads that no fence is wanted has published before the reader's barrier.
    if (control_.reader_care.load(std::memory_order_acquire) != 0 && !mutant("no fence where it is wanted"))
      cpu::full_fence();
    // acquire: before the position. Whoever sets the bell has made known how far it has read.
    if (control_.reader_bell.load(std::memory_order_acquire) != 0) [[unlikely]]
      ring_sleeping_reader();
  }
  void ring_sleeping_reader();
  bool grow();
  class room_sleep;
  void wait_for_room(std::size_t size, const deadline& until);

  std::shared_ptr<const ring_memory> memory_;
  ring_control& control_;
  ring_writer ring_;
  unique_fd socket_;
  readiness pollers_;
  std::shared_ptr<ring_blocks> blocks_;  // made at the first loan
  bool waited_in_vain_ = false;          // for a block, since there was one
  trial past_the_caches_{past_the_caches};
  std::uint64_t looked_at_ = 0;  // ticks
  bool has_looked_ = false;      // for this message
  unsigned direction_;
  unsigned streak_ = 0;
  bool light_;
};

}  // namespace kin::detail
