// SPDX-License-Identifier: BSL-1.0
// pipe_under_test: one direction of a pipe with its memory in the check's hands, and messages that show when they are
// torn; for the checks of pipe_protocol.cpp.
#pragma once

#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <kin/core/error.hpp>
#include <kin/transport/connection.hpp>

#include "faults/protocol/stepped_copy.hpp"
#include "transport/ring_ends.hpp"

namespace kin_test {

struct pipe_under_test {
  pipe_under_test() {
    auto [from, to] = kin::detail::ring_ends::make(kin::detail::ring_ends::directions::one);
    memory = from->memory();
    readers_socket = to->receiver().socket();
    writer = kin::connection(kin::detail::channel(std::move(from)));
    reader = kin::connection(kin::detail::channel(std::move(to)));
    nobody_spins();
  }
  /// Both sides were last seen on the processor of all copies.
  void nobody_spins() const { control().reader_processor = control().writer_processor = 1; }
  [[nodiscard]] kin::detail::ring_control& control() const { return memory->control(0); }
  /// Whether a message is there that nobody has received.
  [[nodiscard]] bool has_message() const { return kin::detail::ring_reader(control(), memory->data(0)).look() != 0; }
  /// As an exit does that calls no destructors: the end goes without a word.
  void reader_exits() const { kin::os::shut_down(readers_socket); }
  std::shared_ptr<const kin::detail::ring_memory> memory;
  int readers_socket = -1;
  kin::connection reader, writer;
};

inline constexpr std::size_t small = 100, large = 1000;

inline void send(kin::connection& to, char letter, std::size_t size = small) {
  std::array<std::byte, 4096> bytes;
  std::memset(bytes.data(), letter, size);
  to.send_bytes(std::span(bytes).first(size));
}
/// '!' for a message that is torn, or of another size; '.' for the end of file.
inline char receive(kin::connection& from, std::size_t size = small) {
  std::array<std::byte, 4096> bytes;
  std::size_t got = 0;
  try {
    got = from.recv_bytes_into(bytes);
  } catch (const kin::closed_error&) {
    return '.';
  }
  const bool is_whole = got == size && std::memcmp(bytes.data(), bytes.data() + 1, size - 1) == 0;
  return is_whole ? static_cast<char>(bytes[0]) : '!';
}

/// Sends until there is no room in the largest area, and nothing in others: it is full, emptied and filled again.
inline void fill(pipe_under_test& p, std::size_t size) {
  for (const bool again : {true, false}) {
    stepped_copy filler([&] {
      for (;;) send(p.writer, 'f', size);
      return 0;
    });
    filler.wait_until_asleep();
    filler.kill();
    p.control().writer_bell = 0;
    while (again && p.has_message()) (void)receive(p.reader, size);
  }
  p.nobody_spins();
}

inline bool is_readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1;
}

/// How many of the points of an operation are looked at: KIN_POINTS, or so many.
inline long points(long otherwise) {
  const char* text = std::getenv("KIN_POINTS");
  return text != nullptr ? std::atol(text) : otherwise;
}

/// Calls `at(n)`, which goes n instructions into an operation, or fewer where that is over or asleep before, and says
/// how many. At most about `most` calls, spread over the operation.
template <class At>
void all_over(const char* operation, long most, At at) {
  const long length = at(1'000'000), stride = std::max(1L, length / points(most));
  long calls = 0;
  for (long n = 0; n <= length; n += stride, ++calls) (void)at(n);
  std::printf("    %ld instructions of %s, stopped after %ld of them\n", length, operation, calls);
}

// The checks; each ends the process with a sentence where something does not hold.
void who_waits_is_woken();
void no_message_is_missed_on_the_way_to_sleep();
void no_room_is_missed_on_the_way_to_sleep();
void a_slow_ringer_silences_no_later_ring();
void a_bell_set_anew_is_left_alone();
void both_in_turn_come_to_their_end();
void messages_come_out_as_they_went_in();
void bytes_are_not_overwritten_while_they_are_read();
void a_closed_end_is_heard_of();
void who_has_seen_a_message_may_leave();
void a_killed_sender_leaves_whole_messages();
void a_copy_of_a_killed_senders_end_goes_on();
void a_copy_of_a_killed_receivers_end_goes_on();
void pollers_see_what_is_there();
void pollers_see_no_more_than_there_is();
void no_message_is_missed_between_two_processors();
void no_room_is_missed_between_two_processors();

}  // namespace kin_test
