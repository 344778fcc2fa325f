// SPDX-License-Identifier: BSL-1.0
// pipe_waiting: nobody sleeps beside what it waits for, wherever the two sides of a pipe are when it comes.
#include <array>
#include <random>

#include "faults/protocol/pipe_under_test.hpp"

namespace kin_test {
namespace {

int receives(pipe_under_test& p, const std::string& letters) {
  for (const char letter : letters)
    if (receive(p.reader) != letter) return 1;
  return 0;
}
void must_finish(stepped_copy& who, const std::string& or_else) {
  if (!who.finishes()) violated(or_else);
  if (who.status() != 0) violated(or_else + ": it ended with " + std::to_string(who.status()));
}

// Until the reader's next message is the one at which it rings a sleeping writer.
void read_up_to_the_ring(pipe_under_test& p) {
  constexpr std::uint64_t frame = 8 + large;
  while (p.control().position + frame < p.control().writer_bell) (void)receive(p.reader, large);
}

}  // namespace

void who_waits_is_woken() {
  {
    pipe_under_test p;
    stepped_copy reader([&] { return receives(p, "xy"); });
    for (const char letter : {'x', 'y'}) {
      reader.wait_until_asleep();
      send(p.writer, letter);
      if (letter == 'x') ::usleep(1000);
    }
    must_finish(reader, "a message is there, and its reader sleeps");
  }
  {
    pipe_under_test p;
    fill(p, large);
    stepped_copy writer([&] { return send(p.writer, 'x', large), 0; });
    writer.wait_until_asleep();
    while (p.has_message()) (void)receive(p.reader, large);
    must_finish(writer, "there is room, and a writer sleeps");
  }
  {
    pipe_under_test p;
    stepped_copy reader([&] {
      p.writer.close();
      return receive(p.reader) == '.' ? 0 : 1;
    });
    reader.wait_until_asleep();
    p.writer.close();
    must_finish(reader, "the end of file is there, and its reader sleeps");
  }
}

void no_message_is_missed_on_the_way_to_sleep() {
  for (const bool polled : {false, true}) {
    all_over("recv to its sleep", 120, [&](long n) {
      pipe_under_test p;
      if (polled) (void)p.reader.native_handle();
      send(p.writer, 'w');
      p.nobody_spins();
      stepped_copy reader([&] { (void)receive(p.reader); }, [&] { return receives(p, "x"); }, stepped_copy::traced);
      long made = 0;
      reader.steps(n, &made);
      send(p.writer, 'x');
      reader.go_on();
      must_finish(reader, "a message came after instruction " + std::to_string(made) + ", and its reader sleeps");
      return made;
    });
  }
}

// Room for one message comes; if the writer's bell was set by then it may wait for more.
void no_room_is_missed_on_the_way_to_sleep() {
  all_over("send to its sleep", 80, [](long n) {
    pipe_under_test p;
    fill(p, large);
    stepped_copy writer([&] { return send(p.writer, 'x', large), 0; }, stepped_copy::traced);
    long made = 0;
    writer.steps(n, &made);
    const bool may_wait = p.control().writer_bell != 0;
    for (int i = 0; i < 2; ++i) (void)receive(p.reader, large);
    writer.go_on();
    for (auto end = ticks::now() + std::chrono::milliseconds(10); may_wait && ticks::now() < end && !writer.is_over();)
      if (writer.is_asleep()) break;
    if (may_wait)
      while (p.has_message()) (void)receive(p.reader, large);
    must_finish(writer, "room came after instruction " + std::to_string(made) + ", and a writer sleeps");
    return made;
  });
}

// The reader, woken, sleeps again while the one who rang it is stopped in the middle of that.
void a_slow_ringer_silences_no_later_ring() {
  all_over("send for one who sleeps", 120, [](long n) {
    pipe_under_test p;
    stepped_copy reader([&] { return receives(p, "12"); });
    stepped_copy writer([&] { return send(p.writer, '1'), stepped_copy::mark(), send(p.writer, '2'), 0; },
                        stepped_copy::traced);
    reader.wait_until_asleep();
    long made = 0;
    writer.steps(n, &made);
    for (int looks = 0; looks < 3 && !reader.is_over(); looks = reader.is_asleep() ? looks + 1 : 0) ::usleep(50);
    writer.go_on();
    must_finish(reader, "a writer was slow after instruction " + std::to_string(made) + ", and its reader sleeps");
    return made;
  });
}

// The writer, woken, fills the ring and sleeps again while the reader who rang it is stopped in the middle of that.
void a_bell_set_anew_is_left_alone() {
  constexpr int more = 400;
  all_over("recv that rings the writer", 120, [](long n) {
    pipe_under_test p;
    fill(p, large);
    stepped_copy writer([&] {
      for (int i = 0; i < more; ++i) send(p.writer, 'x', large);
      return 0;
    });
    writer.wait_until_asleep();
    read_up_to_the_ring(p);
    stepped_copy reader(
        [&] {
          const char first = receive(p.reader, large);
          stepped_copy::mark();
          for (int i = first == 'x' ? 1 : 0; i < more; i += receive(p.reader, large) == 'x' ? 1 : 0) {
          }
          return 0;
        },
        stepped_copy::traced);
    long made = 0;
    reader.steps(n, &made);
    writer.wait_until_asleep();
    reader.go_on();
    must_finish(writer, "a reader was slow after instruction " + std::to_string(made) + ", and a writer sleeps");
    return made;
  });
}

namespace {

// Both go in turn, a few instructions each, until one of them has ended or is killed; the other then goes on alone.
// False: it sleeps, or both do.
bool alternate(stepped_copy& first, stepped_copy& second, std::mt19937_64& random, long first_dies_after) {
  const std::array<stepped_copy*, 2> two{&first, &second};
  auto limit = ticks::now() + patience / 2;
  for (long of_first = 0;;) {
    const std::size_t who = random() % 2;
    auto last = stepped_copy::outcome::stepped;
    for (auto burst = 1 + random() % (random() % 8 == 0 ? 200 : 20); burst > 0; --burst) {
      last = two[who]->step();
      if (who == 0 && ++of_first == first_dies_after) {
        first.kill();
        last = stepped_copy::outcome::ended;
      }
      if (last != stepped_copy::outcome::stepped) break;
      limit = ticks::now() + patience / 2;
    }
    if (last == stepped_copy::outcome::ended) {
      two[1 - who]->go_on();
      return two[1 - who]->finishes();
    }
    if (last == stepped_copy::outcome::asleep) ::usleep(20);
    if (ticks::now() > limit) return false;
  }
}

}  // namespace

// One asks and the other answers, so that each message is the last for a while.
void both_in_turn_come_to_their_end() {
  const char* chosen = std::getenv("KIN_SEED");
  const auto seed = chosen != nullptr ? std::strtoull(chosen, nullptr, 10) : std::random_device()();
  const char* many = std::getenv("KIN_ROUNDS");
  const long rounds = many != nullptr ? std::atol(many) : 12;
  std::printf("    KIN_SEED=%llu, %ld rounds\n", static_cast<unsigned long long>(seed), rounds);
  std::mt19937_64 random(seed);
  for (long round = 0; round < rounds; ++round) {
    pipe_under_test there, back;
    if (random() % 2 == 0) (void)there.reader.native_handle();
    const long dies_after = random() % 2 == 0 ? static_cast<long>(random() % 1500) + 1 : 0;
    const auto asks = [&] {
      for (int i = 0; i < 3; ++i) {
        send(there.writer, static_cast<char>('a' + i));
        if (receive(back.reader) != 'z') return 100;
      }
      return 3;
    };
    const auto answers = [&] {
      there.writer.close();
      back.reader.close();
      for (int i = 0; i < 3; ++i) {
        const char got = receive(there.reader);
        if (got == '.') return i;
        if (got != 'a' + i) return 100;
        try {
          send(back.writer, 'z');
        } catch (const kin::closed_error&) {
        }
      }
      return 3;
    };
    stepped_copy first(asks, stepped_copy::traced), second(answers, stepped_copy::traced);
    there.writer.close();
    back.reader.close();
    if (!alternate(first, second, random, dies_after)) violated("one sleeps, and nobody wakes it");
    if (dies_after == 0 ? second.status() != 3 : second.status() > 3)
      violated("who answers has got " + std::to_string(second.status()));
    if (second.status() < 3 && there.has_message()) violated("the end of file came before a message");
  }
}

}  // namespace kin_test
