// SPDX-License-Identifier: BSL-1.0
// queue: producers and consumers are killed at random while the others go on.
// Not under ThreadSanitizer, which is blind between processes.
#ifndef __SANITIZE_THREAD__
#include <kin/queue.hpp>

#include <gtest/gtest.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <new>
#include <random>
#include <string>
#include <vector>

#include <kin/process.hpp>

#include "support/leaves_nothing_behind.hpp"
#include "support/refused_system_call.hpp"
#include "sync/forked.hpp"

namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

const bool warm = kin_test::warm_up([] { kin::process(+[] {}).join(); });

struct parcel {
  int producer = 0, number = 0;
  std::string text;
};

// Long enough to differ from its neighbours in memory, and to be torn if anything can be.
std::string text_of(int producer, int number) {
  const auto size = static_cast<std::size_t>((producer * 31 + number * 17) % 5 == 0 ? 70'000 : number % 300);
  return std::string(size, static_cast<char>('a' + (producer + number) % 26));
}

constexpr int most_producers = 400, most_numbers = 20'000;

// What the children tell, wherever they are killed.
struct notes {
  std::atomic<int> put[most_producers];  // puts that returned
  std::atomic<std::uint8_t> got[most_producers][most_numbers];
  std::atomic<int> torn, out_of_order;
};

class shared_notes {
 public:
  shared_notes() {
    void* p = mmap(nullptr, sizeof(notes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    notes_ = new (p) notes{};
  }
  ~shared_notes() { munmap(notes_, sizeof(notes)); }
  notes* operator->() const { return notes_; }

 private:
  notes* notes_;
};

// The moment of the kill is to be any.
void pause_at_most(unsigned microseconds, std::mt19937& random) {
  ::usleep(static_cast<useconds_t>(random() % microseconds));
}

void take_note(notes& of, const parcel& item, std::vector<int>& last) {
  if (item.text != text_of(item.producer, item.number)) ++of.torn;
  auto& before = last[static_cast<std::size_t>(item.producer)];
  if (item.number <= std::exchange(before, item.number)) ++of.out_of_order;
  ++of.got[item.producer][item.number];
}

void kill_at_random(std::size_t capacity, std::chrono::milliseconds duration) {
  const kin::queue<parcel> q(capacity);
  const shared_notes tell;
  std::mt19937 random(static_cast<unsigned>(testing::UnitTest::GetInstance()->random_seed()) + 1);
  int producers = 0, consumers_killed = 0;

  const auto producer = [&] {
    const int me = producers++;
    return kin::process(kin::start::fork, [&, me] {
      for (int n = 1; n < most_numbers; ++n) {
        q.put({me, n, text_of(me, n)});
        tell->put[me] = n;
      }
    });
  };
  const auto consumer = [&] {
    return kin::process(kin::start::fork, [&] {
      std::vector<int> last(most_producers);
      for (const parcel& item : q) take_note(*tell.operator->(), item, last);
    });
  };
  {
    std::vector<kin::process> producing, consuming;
    for (int i = 0; i < 3; ++i) producing.push_back(producer()), consuming.push_back(consumer());
    for (const auto end = clock_type::now() + duration; clock_type::now() < end && producers < most_producers;) {
      pause_at_most(4000, random);
      const bool kills_producer = random() % 2 == 0;
      auto& victim = (kills_producer ? producing : consuming)[random() % 3];
      victim.kill();
      victim = kills_producer ? producer() : consumer();
      if (!kills_producer) ++consumers_killed;
    }
    for (auto& p : producing) p.kill(), p.join();
    q.close();
    for (auto& c : consuming) EXPECT_TRUE(c.join_for(60s)) << "a consumer hangs";
  }
  EXPECT_EQ(tell->torn, 0);
  EXPECT_EQ(tell->out_of_order, 0);
  long lost = 0, all = 0;
  for (int p = 0; p < producers; ++p) {
    for (int n = 1; n < most_numbers; ++n) {
      const int times = tell->got[p][n];
      ASSERT_LE(times, 1) << "doubled";
      all += times;
      if (n <= tell->put[p] && times == 0) ++lost;
      ASSERT_TRUE(times == 0 || n <= tell->put[p] + 1) << "nobody put it";
    }
  }
  EXPECT_LE(lost, consumers_killed) << "at most the one that a killed consumer had just taken";
  EXPECT_GT(all, 0);
  std::printf("             %ld items, %d producers and %d consumers killed, %ld items gone with them\n", all,
              producers, consumers_killed, lost);
}

TEST(queue, survives_random_kills_of_producers_and_consumers) { kill_at_random(0, 1500ms); }
TEST(queue, survives_random_kills_when_it_is_bounded) { kill_at_random(2, 1500ms); }
TEST(long_queue, survives_random_kills_for_a_minute) {
  for (int i = 0; i < 15; ++i) kill_at_random(static_cast<std::size_t>(i % 4), 4s);
}

TEST(queue, goes_on_when_a_producer_is_killed_in_the_middle_of_a_large_put) {
  const kin::queue<std::vector<std::uint8_t>> blobs;
  std::mt19937 random(7);
  for (int round = 0; round < 30; ++round) {
    kin::process producer(kin::start::fork, [&] {
      const std::vector<std::uint8_t> big(8 << 20, 0x5a);
      for (;;) blobs.put(big);
    });
    const auto first = blobs.get_for(30s);
    ASSERT_TRUE(first);
    pause_at_most(8000, random);
    producer.kill();
    producer.join();
    while (const auto blob = blobs.try_get()) {
      ASSERT_EQ(blob->size(), 8u << 20);
      ASSERT_EQ(std::count(blob->begin(), blob->end(), 0x5a), 8 << 20);
    }
    const auto start = clock_type::now();
    ASSERT_EQ(blobs.get_for(5ms), std::nullopt);
    const auto took = clock_type::now() - start;
    EXPECT_GE(took, 5ms);
    EXPECT_LT(took, 2s);
    blobs.put({1, 2, 3});
    ASSERT_EQ(blobs.get().size(), 3u);
  }
}

TEST(queue, wakes_the_others_when_one_who_waits_is_killed) {
  const kin::queue<int> q, answers;
  for (int round = 0; round < 20; ++round) {
    std::vector<kin::process> waiting;
    for (int i = 0; i < 4; ++i) waiting.emplace_back(kin::start::fork, [&] { answers.put(q.get()); });
    ::usleep(3000);  // most are asleep by then, and each of the four may be the one that is woken and dies
    q.put(round);
    waiting[static_cast<std::size_t>(round) % 4].kill();
    auto answer = answers.get_for(50ms);
    // If the item still waits, those who are left have to hear of the death, however busy the machine is.
    if (!answer && !q.empty()) {
      answer = answers.get_for(20s);
      if (!answer) {
        for (auto& w : waiting) w.kill();
        FAIL() << "an item waits, and three sleep";
      }
    }
    if (!answer) {
      // Then the killed one had taken it, and nobody else has lost a wake.
      ASSERT_EQ(q.size(), 0u);
      q.put(round);
      ASSERT_EQ(answers.get_for(30s), round);
    }
    q.put(-1), q.put(-1), q.put(-1);
    while (!q.empty() && answers.get_for(20ms)) {
    }
    for (auto& w : waiting) w.kill(), w.join();
    while (q.try_get()) {
    }
    while (answers.try_get()) {
    }
  }
}

// A putter dies at its wake: the bell says that nobody sleeps. So does the next one, which is told of that death and
// wakes for it. Whoever comes then wakes the getter.
TEST(queue, wakes_who_sleeps_after_two_who_died_at_the_wake) {
  const kin::queue<kin::unique_fd> q;
  const kin::queue<int> answers;
  kin_test::forked getter([&] {
    (void)q.get();
    answers.put(1);
  });
  getter.wait_until_asleep();
  for (int i = 0; i < 2; ++i) {
    kin_test::forked putter([&] {
      const kin_test::refused_calls wakes{.argument = 1, .mask = 0x7f, .value = FUTEX_WAKE};
      if (!kin_test::die_at(SYS_futex, wakes)) ::_exit(2);
      q.put(kin::unique_fd(::dup(0)));
    });
    ASSERT_EQ(putter.join(), -SIGSYS);
  }
  q.put(kin::unique_fd(::dup(0)));
  ASSERT_TRUE(answers.get_for(kin_test::patience())) << "an item waits, and its getter sleeps";
  EXPECT_EQ(getter.join(), 0);
}

}  // namespace

#endif
