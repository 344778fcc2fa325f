// SPDX-License-Identifier: BSL-1.0
// pipe_bytes: what goes into a pipe comes out of it, whole and in order; and whose reader is gone, the writer hears.
#include <random>

#include "faults/protocol/pipe_under_test.hpp"

namespace kin_test {

void messages_come_out_as_they_went_in() {
  {
    pipe_under_test p;
    std::mt19937_64 random(7);
    for (int round = 0; round < 2000; ++round) {
      const std::size_t size = random() % 8 == 0 ? random() % 3000 + 1 : random() % 60 + 1, n = random() % 8 + 1;
      for (std::size_t i = 0; i < n; ++i) send(p.writer, static_cast<char>('a' + i), size);
      for (std::size_t i = 0; i < n; ++i) {
        if (!p.has_message()) violated("a message is missing");
        if (receive(p.reader, size) != static_cast<char>('a' + i)) violated("a message has changed");
      }
      if (p.has_message()) violated("a message is there that nobody has sent");
    }
  }
  pipe_under_test p;
  fill(p, 8);
  while (p.control().position != p.control().tail) {
    if (!p.has_message()) violated("a full ring has lost a message");
    if (receive(p.reader, 8) != 'f') violated("a message of a full ring has changed");
  }
}

// A reader is stopped in the middle of a full ring's first message, while a writer sends what there is room for.
void bytes_are_not_overwritten_while_they_are_read() {
  all_over("recv from a full ring", 40, [](long n) {
    pipe_under_test p;
    fill(p, large);
    stepped_copy reader([&] { return receive(p.reader, large) == 'f' ? 0 : 1; }, stepped_copy::traced);
    long made = 0;
    reader.steps(n, &made);
    stepped_copy writer([&] {
      for (;;) send(p.writer, 'x', large);
      return 0;
    });
    writer.wait_until_asleep();
    reader.go_on();
    if (!reader.finishes() || reader.status() != 0)
      violated("a message was overwritten while it was read (" + std::to_string(made) + ")");
    return made;
  });
}

// In a streak of sends, in which the socket is not looked at for each of them.
void a_closed_end_is_heard_of() {
  pipe_under_test p;
  for (int i = 0; i < 3; ++i) send(p.writer, 'x');
  p.reader.close();
  try {
    send(p.writer, 'y');
  } catch (const kin::closed_error&) {
    return;
  }
  violated("a message was sent to nobody");
}

namespace {

enum class first_send { asks_after_the_reader, is_in_a_streak };

// One who sends twice: 0 if only the second message is refused.
struct sender_to_one_who_leaves {
  sender_to_one_who_leaves(pipe_under_test& p, first_send how)
      : copy(
            [&] {
              p.reader.close();
              if (how == first_send::is_in_a_streak) send(p.writer, 'w');
            },
            [&] {
              try {
                send(p.writer, 'x');
              } catch (const kin::closed_error&) {
                return 1;
              }
              stepped_copy::mark();
              try {
                send(p.writer, 'y');
              } catch (const kin::closed_error&) {
                return 0;
              }
              return 2;
            },
            stepped_copy::traced) {
    if (how == first_send::is_in_a_streak && receive(p.reader) != 'w') violated("a message is not received");
  }
  void ends(bool seen, bool with_a_word, const std::string& where) {
    if (!copy.finishes()) violated("a send does not end" + where);
    if (with_a_word && copy.status() == 2) violated("a message was sent to nobody" + where);
    if (seen && copy.status() == 1) violated("a message that was seen is said not to have been sent" + where);
  }
  stepped_copy copy;
};

// The sender is stopped anywhere, and the reader leaves: it closes its end, or exits.
template <bool Exits>
long sender_is_stopped(long n) {
  pipe_under_test p;
  sender_to_one_who_leaves writer(p, first_send::asks_after_the_reader);
  p.control().reader_bell = kin::detail::bell_asleep;  // it was on its way to sleep when it saw the message
  long made = 0;
  writer.copy.steps(n, &made);
  const bool seen = p.has_message() && p.reader.poll(std::chrono::seconds(0));
  if (Exits)
    p.reader_exits();
  else
    p.reader.close();
  writer.copy.go_on();
  writer.ends(seen, !Exits, " (its reader left after instruction " + std::to_string(made) + ")");
  return made;
}

// The sender has taken the bell, and the reader is stopped anywhere on its way out.
template <first_send How>
long reader_is_stopped(long n) {
  pipe_under_test p;
  sender_to_one_who_leaves writer(p, How);
  stepped_copy reader(
      [&] {
        p.reader.close();
        return 0;
      },
      stepped_copy::traced);
  p.reader.close();
  p.control().reader_bell = kin::detail::bell_asleep;
  while (p.control().reader_bell == kin::detail::bell_asleep && writer.copy.steps(1)) {
  }
  long made = 0;
  reader.steps(n, &made);
  writer.copy.go_on();
  if (!writer.copy.finishes()) violated("a send does not end");
  if (writer.copy.status() == 1)
    violated("a message that was seen is said not to have been sent (its reader had left by " + std::to_string(made) +
             " instructions)");
  reader.go_on();
  if (!reader.finishes()) violated("a reader does not leave");
  return made;
}

}  // namespace

// A sender finds the bell of a reader on its way to sleep. The reader sees the message in its last look, and closes its
// end. What was seen was sent: the sender is told at its next message.
void who_has_seen_a_message_may_leave() {
  all_over("send to one who leaves", 60, sender_is_stopped<false>);
  all_over("send to one who exits", 60, sender_is_stopped<true>);
  all_over("close of one who has seen a message", 150, reader_is_stopped<first_send::asks_after_the_reader>);
  all_over("close of one who has seen a message of a streak", 150, reader_is_stopped<first_send::is_in_a_streak>);
}

}  // namespace kin_test
