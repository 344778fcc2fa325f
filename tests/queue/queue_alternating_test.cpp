// SPDX-License-Identifier: BSL-1.0
// queue: two processes are stepped through puts and gets in turn, a few instructions each (ptrace), in an order that a
// seed says; in half of the rounds one dies on the way.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <kin/mutex.hpp>
#include <kin/queue.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <random>
#include <string>

#include "sync/shared_page.hpp"
#include "sync/stepped.hpp"

namespace {

using kin_test::shared_page;
using kin_test::stepped;
using words = kin::queue<std::string>;

constexpr int items_of_each = 4;

std::string text(char producer, int n) { return std::string(static_cast<std::size_t>(10 + 20 * n), producer); }
void put_all(const words& q, char producer) {
  for (int n = 0; n < items_of_each; ++n) q.put(text(producer, n));
}
const auto prepare = [] { (void)kin::mutex(); };
long when_to_die(std::mt19937_64& random) { return random() % 2 == 0 ? 1 + static_cast<long>(random() % 4000) : 0; }

// Two producers: what each put is there, in its order.
void two_producers(std::uint64_t seed) {
  SCOPED_TRACE("two producers, seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const words q;
  stepped first(prepare, [&] { put_all(q, 'a'); });
  stepped second(prepare, [&] { put_all(q, 'b'); });
  const long dies = when_to_die(random);
  ASSERT_TRUE(kin_test::alternate(first, second, random, dies)) << "one sleeps for ever";
  int got[2] = {};
  while (const auto item = q.try_get()) {
    const char producer = item->empty() ? '?' : item->front();
    ASSERT_TRUE(producer == 'a' || producer == 'b');
    ASSERT_EQ(*item, text(producer, got[producer - 'a']++));
  }
  EXPECT_EQ(got[1], items_of_each);
  if (dies == 0) {
    EXPECT_EQ(got[0], items_of_each);
  }
}

// One puts into a queue of two, the other gets. Whoever is left is helped to its end, as others would.
void one_and_one(std::uint64_t seed, bool producer_dies) {
  SCOPED_TRACE(std::string(producer_dies ? "a producer" : "a consumer") + " that may die, seed " +
               std::to_string(seed));
  std::mt19937_64 random(seed);
  const words q(2);
  const shared_page<std::atomic<int>> got, wrong;
  const auto puts = [&] { put_all(q, 'a'); };
  const auto gets = [&] {
    try {
      for (;; ++*got)
        if (q.get() != text('a', *got)) ++*wrong;
    } catch (const kin::closed_error&) {
    }
  };
  const long dies = when_to_die(random);
  if (producer_dies) {
    // It closes the queue itself, or its death is found and the queue closed for it.
    stepped producer(prepare, [&] {
      puts();
      q.close();
    });
    stepped consumer(prepare, gets);
    if (dies == 0) {
      ASSERT_TRUE(kin_test::alternate(producer, consumer, random, 0)) << "one sleeps for ever";
    } else {
      for (long n = 0; n < dies && producer.step() == stepped::outcome::stepped; ++n)
        if (random() % 3 == 0) (void)consumer.step();
      producer.die();
      q.close();
      stepped nobody(prepare, [] {});
      ASSERT_TRUE(kin_test::alternate(nobody, consumer, random, 0)) << "the consumer sleeps for ever";
    }
    EXPECT_EQ(q.size(), 0u);
    EXPECT_LE(*got, items_of_each);
  } else {
    stepped consumer(prepare, gets);
    stepped producer(prepare, puts);
    for (long n = 0; n < (dies == 0 ? 3000 : dies) && consumer.step() != stepped::outcome::ended; ++n)
      if (random() % 3 == 0) (void)producer.step();
    consumer.die();
    // Somebody else takes what comes, so that the producer gets through.
    std::string before;
    while (producer.step() != stepped::outcome::ended) {
      const auto item = q.try_get();
      if (!item) continue;
      EXPECT_EQ(item->find_first_not_of('a'), std::string::npos);
      EXPECT_GT(item->size(), before.size()) << "out of order, or twice";
      before = *item;
    }
  }
  EXPECT_EQ(*wrong, 0) << "an item is torn, or out of order";
}

// Each has had the biases of both locks before it is stepped, and one still has them.
void two_with_biases(std::uint64_t seed) {
  SCOPED_TRACE("two with biases, seed " + std::to_string(seed));
  using flat = std::array<char, 32>;
  std::mt19937_64 random(seed);
  const kin::queue<flat> q;
  const auto take_biases = [&] {
    for (int n = 0; n < 200; ++n) q.put(flat{}), (void)q.get();
  };
  const auto numbers = [&](char producer) {
    for (char n = 0; n < items_of_each; ++n) {
      flat made{};
      made.fill(static_cast<char>(producer + n));
      q.put(made);
    }
  };
  stepped first(take_biases, [&] { numbers('a'); });
  stepped second(take_biases, [&] { numbers('k'); });
  const long dies = random() % 2 == 0 ? 1 + static_cast<long>(random() % 600) : 0;
  const bool swapped = random() % 2 == 0;
  ASSERT_TRUE(swapped ? kin_test::alternate(second, first, random, dies)
                      : kin_test::alternate(first, second, random, dies))
      << "one sleeps for ever";
  int got[2] = {};
  while (const auto item = q.try_get()) {
    const int producer = (*item)[0] >= 'k' ? 1 : 0;
    flat whole{};
    whole.fill(static_cast<char>((producer != 0 ? 'k' : 'a') + got[producer]++));
    ASSERT_EQ(*item, whole);
  }
  EXPECT_EQ(got[swapped ? 0 : 1], items_of_each);
  if (dies == 0) {
    EXPECT_EQ(got[swapped ? 1 : 0], items_of_each);
  }
}

void rounds(std::uint64_t n) {
  for (std::uint64_t seed = 1; seed <= n && !testing::Test::HasFatalFailure(); ++seed) {
    two_producers(seed);
    if (seed % 2 == 1) two_with_biases(seed);
    one_and_one(seed, true);
    one_and_one(seed, false);
  }
}

TEST(queue, is_right_for_two_who_are_stepped_in_turn) { rounds(2); }
TEST(long_queue, is_right_for_two_who_are_stepped_in_turn) { rounds(400); }

}  // namespace

#endif
