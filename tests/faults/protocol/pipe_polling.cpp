// SPDX-License-Identifier: BSL-1.0
// pipe_polling: what a poller of native_handle() sees while the two sides of a pipe are anywhere.
#include "faults/protocol/pipe_under_test.hpp"

namespace kin_test {
namespace {

// A copy receives the only message, and is stopped in the middle of that; a second one comes.
long second_comes(long n) {
  pipe_under_test p;
  const int handle = p.reader.native_handle();
  send(p.writer, '1');
  p.nobody_spins();
  stepped_copy reader(
      [&] {
        if (receive(p.reader) != '1') return 1;
        stepped_copy::mark();
        ::raise(SIGSTOP);
        return receive(p.reader) == '2' ? 0 : 1;
      },
      stepped_copy::traced);
  long made = 0;
  reader.steps(n, &made);
  send(p.writer, '2');
  const std::string at = " (a second message came after instruction " + std::to_string(made) + " of a recv)";
  if (!reader.run_to_a_stop(SIGSTOP)) violated("a recv does not end" + at);
  if (!is_readable(handle)) violated("a message waits, and a poller is not told" + at);
  reader.go_on();
  if (!reader.finishes() || reader.status() != 0) violated("a message is not received" + at);
  if (is_readable(handle)) violated("a poller is told of what is not there" + at);
  return made;
}

// Two messages lie there, and one is received: a poller sees the other, without a ring.
void one_of_two_is_left() {
  pipe_under_test p;
  const int handle = p.reader.native_handle();
  send(p.writer, '1');
  send(p.writer, '2');
  for (const bool more : {true, false}) {
    (void)receive(p.reader);
    if (is_readable(handle) != more)
      violated(more ? "a message waits, and a poller is not told" : "a poller is told of what is not there");
  }
  send(p.writer, '3');
  if (!is_readable(handle)) violated("a message comes, and a poller is not told");
  (void)receive(p.reader);
  p.writer.close();
  if (!is_readable(handle)) violated("a poller is not told of the end of file");
}

enum class late_ring { none, of_who_had_looked, of_who_had_taken_the_bell };

// A sender that rings a poller is stopped in the middle; its message is received meanwhile. It goes on once the
// receiver waits for it, or is done. What its ring then shows the poller that is not there.
late_ring a_ring_comes_late(long n, long& made) {
  pipe_under_test p;
  const int handle = p.reader.native_handle();
  stepped_copy writer([&] { return send(p.writer, '1'), 0; }, stepped_copy::traced);
  writer.steps(n, &made);
  const bool is_there = p.has_message(), has_taken = p.control().reader_bell != kin::detail::bell_watched;
  stepped_copy reader([&] { return receive(p.reader) == '1' ? 0 : 1; });
  if (is_there)
    while (!reader.is_over() && !reader.is_asleep()) ::usleep(50);
  writer.go_on();
  if (!writer.finishes() || !reader.finishes() || reader.status() != 0) violated("a message is not received");
  if (!is_readable(handle)) return late_ring::none;
  return has_taken ? late_ring::of_who_had_taken_the_bell : late_ring::of_who_had_looked;
}

// A receiver waits for who has taken the bell, but not for ever, and the machine may be busy: what is so is so thrice.
// Who finds its message received takes no bell; between its look at that and the bell there are few instructions.
void late_rings_are_few() {
  constexpr int most = 12;
  int few = 0;
  all_over("send for one who polls", 60, [&](long n) {
    long made = 0;
    late_ring how = late_ring::none;
    for (int attempt = 0; attempt < 3; ++attempt)
      if ((how = a_ring_comes_late(n, made)) == late_ring::none) return made;
    const std::string at = " (a ring came late, after instruction " + std::to_string(made) + ")";
    if (how == late_ring::of_who_had_taken_the_bell || ++few > most)
      violated("a poller is told of what is not there" + at);
    return made;
  });
  std::printf("    after %d of them a late ring tells a poller of nothing\n", few);
}

// A message comes while its reader is on the way to sleep, with a ring that the reader does not wait for.
long a_ring_that_nobody_waits_for(long n) {
  pipe_under_test p;
  send(p.writer, 'w');
  p.nobody_spins();
  stepped_copy reader([&] { (void)receive(p.reader); },
                      [&] {
                        if (receive(p.reader) != 'x') return 1;
                        return is_readable(p.reader.native_handle()) ? 2 : 0;
                      },
                      stepped_copy::traced);
  long made = 0;
  reader.steps(n, &made);
  send(p.writer, 'x');
  reader.go_on();
  if (!reader.finishes() || reader.status() == 1) violated("a message is not received");
  if (reader.status() != 0)
    violated("its first poll shows what is not there (a message came after instruction " + std::to_string(made) + ")");
  return made;
}

}  // namespace

void pollers_see_what_is_there() {
  one_of_two_is_left();
  all_over("recv of the only message beside a poller", 150, second_comes);
}

void pollers_see_no_more_than_there_is() {
  late_rings_are_few();
  all_over("recv to its sleep", 120, a_ring_that_nobody_waits_for);
}

}  // namespace kin_test
