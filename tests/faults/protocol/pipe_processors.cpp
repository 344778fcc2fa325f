// SPDX-License-Identifier: BSL-1.0
// pipe_processors: the two sides of a pipe on two processors, whose stores come late to each other. What a stopped
// process has stored is there for all; so this takes two that run, very often. One of them aims at the other's way to
// sleep, and makes its own stores later still.
#include <atomic>
#include <vector>

#include "faults/protocol/pipe_under_test.hpp"
#include "sync/shared_page.hpp"

namespace kin_test {
namespace {

struct counts {
  alignas(128) std::atomic<long> done{0};
  alignas(128) std::atomic<long> begun{0};
  std::atomic<std::uint64_t> at{0};  // ticks
};

std::chrono::milliseconds time_for_it() {
  const char* text = std::getenv("KIN_SECONDS");
  return text != nullptr ? std::chrono::seconds(std::atol(text)) : std::chrono::milliseconds(1500);
}

void move_to_processor(unsigned number) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(number, &one);
  (void)::sched_setaffinity(0, sizeof one, &one);
}

// Long enough that the other side is just about to sleep: it is told whether that slept last time.
class aim {
 public:
  /// Whether both sides are on their processors; else there is nothing to aim at.
  static bool is_possible(std::uint64_t other_began) { return kin::detail::cpu::ticks() - other_began < 2000; }
  void wait() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    for (long n = pauses_ + static_cast<long>(state_ >> 60) - 8; n > 0; --n) kin::detail::cpu::pause();
  }
  void note(bool it_slept) { pauses_ = std::clamp(pauses_ + (it_slept ? -1 : 1), 0L, 10'000L); }

 private:
  std::uint64_t state_ = 1;
  long pauses_ = 100;
};

// Stores to memory that is far away. What is stored after them comes later still.
class far_stores {
 public:
  void make() {
    for (int i = 0; i < 24; ++i) {
      state_ = state_ * 6364136223846793005u + 1442695040888963407u;
      static_cast<volatile char&>(area_[(state_ >> 33) % area_.size()]) = 1;
    }
  }

 private:
  std::vector<char> area_ = std::vector<char>(std::size_t{32} << 20, 1);
  std::uint64_t state_ = 1;
};

// Until the time is over; violated when the sleeper sleeps on, for longer than the other can be kept from ringing it,
// though `is_due` says that what it waits for is there.
template <class Due>
void watch(const char* what, const counts& c, stepped_copy& sleeper, Due is_due, const char* or_else) {
  long seen = -1;
  int still = 0;
  for (const auto end = ticks::now() + time_for_it(); (ticks::now() < end || still > 0) && still < 1500;
       ::usleep(1000)) {
    if (sleeper.is_over()) violated("a copy has ended");
    const bool moves = c.done != seen || !is_due() || !sleeper.is_asleep();
    still = moves ? 0 : still + 1;
    seen = c.done;
  }
  if (still >= 1500) violated(std::string(or_else) + ", after " + std::to_string(seen) + " messages");
  std::printf("    %ld %s\n", seen, what);
}

}  // namespace

namespace {

enum class reader_habit { spins, sleeps_at_once };

// One message at a time: at once, so that a reader who spins finds it and wants no fences any more; when it is about to
// sleep; or when it sleeps, and wants fences. One that sleeps at once is given a while before that.
void race_for_a_message(reader_habit habit) {
  pipe_under_test p;
  const shared_page<counts> c;
  stepped_copy reader([&] {
    for (;; ++c->done) {
      if (habit == reader_habit::sleeps_at_once)
        for (int i = 0; i < 60; ++i) kin::detail::cpu::pause();
      (void)receive(p.reader, 8);
      c->at = kin::detail::cpu::ticks();
    }
    return 0;
  });
  stepped_copy writer([&] {
    move_to_processor(1);
    std::array<aim, 8> aims;
    far_stores far;
    const auto bell = [&] { return p.control().reader_bell.load(std::memory_order_relaxed); };
    for (std::size_t n = 0;; ++n) {
      while (c->done != static_cast<long>(n)) kin::detail::cpu::pause();
      if (habit == reader_habit::sleeps_at_once) p.nobody_spins();
      const std::size_t phase = habit == reader_habit::spins ? n % 8 : 1;
      if (phase % 2 == 1 && aim::is_possible(c->at)) {
        aims[phase].wait();
        far.make();
        aims[phase].note(bell() != 0);
      } else if (phase != 0) {
        while (bell() == 0) kin::detail::cpu::pause();
      }
      send(p.writer, 'x', 8);
    }
    return 0;
  });
  watch(
      "messages, one at a time", *c, reader, [&] { return p.has_message(); },
      "a message is there, and its reader sleeps");
}

}  // namespace

void no_message_is_missed_between_two_processors() {
  race_for_a_message(reader_habit::spins);
  race_for_a_message(reader_habit::sleeps_at_once);
}

// A small message and one of half of the ring; a second one of half of it has room when the small one has been read.
// Nothing else is read before that second one has been sent.
void no_room_is_missed_between_two_processors() {
  constexpr std::size_t half = kin::detail::ring_capacity(kin::detail::ring_control::levels - 1) / 2 - 16;
  pipe_under_test p;
  fill(p, large);
  while (p.has_message()) (void)receive(p.reader, large);
  const shared_page<counts> c;
  stepped_copy reader([&] {
    std::vector<std::byte> room(half);
    aim before;
    far_stores far;
    for (long n = 1;; ++n) {
      while (c->begun != 2 * n - 1) kin::detail::cpu::pause();
      before.wait();
      far.make();
      before.note(p.control().writer_bell.load(std::memory_order_relaxed) != 0);
      (void)receive(p.reader, 8);
      while (c->begun != 2 * n) kin::detail::cpu::pause();
      for (int i = 0; i < 2; ++i) (void)p.reader.recv_bytes_into(room);
      c->done = n;
    }
    return 0;
  });
  stepped_copy writer([&] {
    move_to_processor(1);
    const std::vector<std::byte> bytes(half);
    for (long n = 1;; ++n) {
      send(p.writer, 'x', 8);
      p.writer.send_bytes(bytes);
      c->begun = 2 * n - 1;
      p.writer.send_bytes(bytes);
      c->begun = 2 * n;
      while (c->done != n) kin::detail::cpu::pause();
    }
    return 0;
  });
  const auto has_room = [&] { return p.control().writer_bell != 0 && p.control().position >= p.control().writer_bell; };
  watch("messages that wait for room", *c, writer, has_room, "there is room, and a writer sleeps");
}

}  // namespace kin_test
