// SPDX-License-Identifier: BSL-1.0
// pipe_kills: what one side of a pipe leaves behind that is killed after any of its instructions.
#include <vector>

#include <kin/os/unique_fd.hpp>

#include "faults/protocol/pipe_under_test.hpp"

namespace kin_test {
namespace {

struct parcel_of_test {
  std::string text;
  std::vector<kin::unique_fd> fds;
};
// What is on the way when the sender is killed; and what lies there before it.
struct traffic {
  const char* name;
  std::size_t size = small;
  int before = 0;
  bool with_fd = false;
};
constexpr traffic all_traffic[] = {
    {"send", large}, {"send that grows the ring", 1200, 3}, {"send with a descriptor", small, 0, true}};

void send_one(pipe_under_test& p, const traffic& t, char letter) {
  if (!t.with_fd) return send(p.writer, letter, t.size);
  parcel_of_test made{std::string(t.size, letter), {}};
  made.fds.emplace_back(::dup(0));
  p.writer.send(std::move(made));
}
char receive_one(pipe_under_test& p, const traffic& t) {
  if (!t.with_fd) return receive(p.reader, t.size);
  try {
    const auto got = p.reader.recv<parcel_of_test>();
    return got.text == std::string(t.size, got.text.at(0)) && got.fds.size() == 1 ? got.text[0] : '!';
  } catch (const kin::closed_error&) {
    return '.';
  }
}

// 0: those before, then nothing. 1: then z. 2: something else.
int receives_z_or_nothing(pipe_under_test& p, const traffic& t) {
  p.writer.close();
  for (int i = 0; i < t.before; ++i)
    if (receive_one(p, t) != 'b') return 2;
  const char got = receive_one(p, t);
  if (got == '.') return 0;
  return got == 'z' && receive_one(p, t) == '.' ? 1 : 2;
}
// Those before, perhaps z, then y.
int receives_y(pipe_under_test& p, const traffic& t) {
  for (int i = 0; i < t.before; ++i)
    if (receive_one(p, t) != 'b') return 1;
  const char got = receive_one(p, t);
  return got == 'y' || (got == 'z' && receive_one(p, t) == 'y') ? 0 : 1;
}

long kill_a_sender(const traffic& t, bool sleeps, long n) {
  pipe_under_test p;
  for (int i = 0; i < t.before; ++i) send_one(p, t, 'b');
  stepped_copy writer([&] { return p.reader.close(), send_one(p, t, 'z'), 0; }, stepped_copy::traced);
  const auto receives = [&] { return receives_z_or_nothing(p, t); };
  std::optional<stepped_copy> reader;
  if (sleeps) reader.emplace(receives), reader->wait_until_asleep();
  p.writer.close();
  long made = 0;
  writer.steps(n, &made);
  writer.kill();
  const std::string at = std::string(", after a kill in ") + t.name + " (" + std::to_string(made) + ")";
  if (!reader) reader.emplace(receives);
  if (!reader->finishes()) violated("neither a message nor the end of file" + at);
  if (reader->status() > 1) violated("a message is torn, or none was sent" + at);
  if (reader->status() == 0 && p.has_message()) violated("the end of file came before a message" + at);
  return made;
}

long kill_a_sender_with_a_copy(const traffic& t, bool sleeps, long n) {
  pipe_under_test p;
  for (int i = 0; i < t.before; ++i) send_one(p, t, 'b');
  stepped_copy writer([&] { return send_one(p, t, 'z'), 0; }, stepped_copy::traced);
  const auto receives = [&] { return receives_y(p, t); };
  std::optional<stepped_copy> reader;
  if (sleeps) reader.emplace(receives), reader->wait_until_asleep();
  long made = 0;
  writer.steps(n, &made);
  writer.kill();
  if (!reader) reader.emplace(receives);
  reader->wait_until_asleep();
  send_one(p, t, 'y');
  const std::string at = std::string(", after a kill in ") + t.name + " (" + std::to_string(made) + ")";
  if (!reader->finishes()) violated("a copy's message is not received" + at);
  if (reader->status() != 0) violated("a copy's message, or one before it, is wrong" + at);
  return made;
}

}  // namespace

void a_killed_sender_leaves_whole_messages() {
  for (const traffic& t : all_traffic)
    for (const bool sleeps : {false, true})
      if (!sleeps || t.before == 0) all_over(t.name, 60, [&](long n) { return kill_a_sender(t, sleeps, n); });
}

void a_copy_of_a_killed_senders_end_goes_on() {
  for (const traffic& t : all_traffic)
    for (const bool sleeps : {false, true})
      if (!t.with_fd && (!sleeps || t.before == 0))
        all_over(t.name, 120, [&](long n) { return kill_a_sender_with_a_copy(t, sleeps, n); });
}

// A writer sleeps, and the one who is to ring it is killed; a copy of that end receives one message more.
void a_copy_of_a_killed_receivers_end_goes_on() {
  all_over("recv that rings the writer", 120, [](long n) {
    pipe_under_test p;
    fill(p, large);
    stepped_copy writer([&] { return send(p.writer, 'x', large), 0; });
    writer.wait_until_asleep();
    while (p.control().position + 8 + large < p.control().writer_bell) (void)receive(p.reader, large);
    stepped_copy reader([&] { return receive(p.reader, large) == 'f' ? 0 : 1; }, stepped_copy::traced);
    long made = 0;
    reader.steps(n, &made);
    reader.kill();
    if (receive(p.reader, large) != 'f') violated("a message is torn");
    if (!writer.finishes())
      violated("a reader was killed after instruction " + std::to_string(made) + ", and a writer sleeps");
    return made;
  });
}

}  // namespace kin_test
