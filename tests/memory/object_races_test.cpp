// SPDX-License-Identifier: BSL-1.0
// object_ref: handles that go to and fro while the root looks for objects that nobody has.
#include <kin/memory/object_ref.hpp>
#include <kin/pipe.hpp>
#include <kin/process.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <kin/core/error.hpp>

#include "memory/watched_object.hpp"
#include "support/eventually.hpp"
#include "support/leaves_nothing_behind.hpp"
#include "sync/forked.hpp"
#include "sync/shared_page.hpp"

namespace kin_test {
namespace {

// What ThreadSanitizer watches: handles go between threads in messages, and the root frees what nobody has.
TEST(object_life, is_right_when_threads_pass_handles_around) {
  struct item {
    parcel message;
    std::uint64_t stamp;
  };
  std::mutex mutex;
  std::vector<item> under_way;
  std::atomic<std::uint64_t> stamps{1}, wrong{0};
  const auto work = [&](unsigned seed) {
    std::mt19937 chance(seed);
    std::vector<std::pair<object_ref, std::uint64_t>> mine;
    for (int i = 0; i < 3000; ++i) {
      const auto pick = mine.empty() ? 0 : chance() % mine.size();
      switch (chance() % 4) {
        case 0: {
          const std::uint64_t stamp = ++stamps;
          mine.emplace_back(stamped(stamp), stamp);
          if (chance() % 8 == 0) (void)mine.back().first.make_span(1);
          break;
        }
        case 1:
          if (!mine.empty()) {
            item one{sent(mine[pick].first, chance() % 8 == 0 ? delivery::lent : delivery::once), mine[pick].second};
            if (chance() % 8 == 0) break;  // not sent after all
            const std::lock_guard hold(mutex);
            under_way.push_back(std::move(one));
          }
          break;
        case 2: {
          std::unique_lock hold(mutex);
          if (under_way.empty()) break;
          item one = std::move(under_way.back());
          under_way.pop_back();
          hold.unlock();
          one.message.arrived();
          mine.emplace_back(received(one.message), one.stamp);
          break;
        }
        default:
          if (!mine.empty()) {
            if (!has_stamp(mine[pick].first, mine[pick].second)) ++wrong;
            std::swap(mine[pick], mine.back());
            mine.pop_back();
          }
      }
    }
    for (const auto& [object, stamp] : mine)
      if (!has_stamp(object, stamp)) ++wrong;
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 4; ++i) threads.emplace_back(work, i);
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(wrong, 0U);
}

// So many that the root takes its time over the lists.
std::vector<object_ref> others() {
  std::vector<object_ref> many;
  for (int i = 0; i < 30'000; ++i) many.push_back(object_ref::make(object_kind::array, 64));
  return many;
}

// Two processes throw an object to and fro, and nobody else has it, while the root is told again and again that it
// might be unused.
TEST(object_life, is_not_over_while_it_goes_from_process_to_process) {
  auto it = with_span();
  const shared_page<std::atomic<int>> playing, throws;
  auto [a, b] = kin::pipe();
  const auto play = [&](kin::connection& with) {
    const auto beside = others();
    it.object.reset();  // this copy's
    std::minstd_rand chance(static_cast<unsigned>(getpid()));
    for (++*playing;; ++*throws) {
      const parcel got{with.recv_bytes(), {}};
      const auto object = received(got);
      // For about as long as the root reads a list.
      const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(chance() % 60);
      while (std::chrono::steady_clock::now() < end) {
      }
      parcel message = sent(object, delivery::once);
      message.arrived();
      with.send_bytes(message.bytes);
    }
  };
  std::vector<forked> players;
  for (kin::connection* const end : {&a, &b})
    players.emplace_back([&, end] {
      (end == &a ? b : a).close();
      try {
        play(*end);
      } catch (const kin::closed_error&) {
        _exit(0);  // the other one has been killed, or has failed
      }
    });
  ASSERT_TRUE(eventually([&] { return *playing == 2; }));
  auto message = sent(*it.object, delivery::once);
  message.arrived();
  a.send_bytes(message.bytes);
  a.close();
  b.close();
  it.object.reset();
  ASSERT_TRUE(eventually([&] {
    // Between two looks the root serves others.
    it.look();
    return !it.lives() || *throws > 500;
  }));
  EXPECT_TRUE(it.lives());
  players[0].kill();
  EXPECT_EQ(players[1].join(), 0);
}

// A worker that is being killed may decode a lent handle when its lender has let go already.
TEST(object_life, of_which_a_handle_is_decoded_too_late_is_over_or_goes_on) {
  std::atomic<bool> done{false};
  std::mutex mutex;
  std::pair<parcel, std::uint64_t> offered;
  std::atomic<std::uint64_t> wrong{0}, late{0}, alive{0};
  const auto beside = others();
  std::thread reader([&] {
    std::deque<std::pair<object_ref, std::uint64_t>> kept;
    while (!done) {
      std::unique_lock hold(mutex);
      const parcel message{offered.first.bytes, {}};
      const std::uint64_t stamp = offered.second;
      hold.unlock();
      if (stamp == 0) continue;
      try {
        auto object = received(message);
        ++alive;
        if (kept.empty() || kept.back().second != stamp) kept.emplace_back(std::move(object), stamp);
      } catch (const kin::decode_error&) {
        ++late;
      }
      if (kept.size() < 300) continue;
      for (const auto& [object, its] : kept)
        if (!has_stamp(object, its)) ++wrong;
      kept.clear();
    }
  });
  // As often as it takes to meet the reader at both moments: the two may have one processor.
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for (std::uint64_t stamp = 1; stamp < 1500 || ((late == 0 || alive == 0) && std::chrono::steady_clock::now() < limit);
       ++stamp) {
    std::optional<object_ref> object = stamped(stamp);
    (void)object->make_span(1);
    parcel message = sent(*object, delivery::lent);
    {
      const std::lock_guard hold(mutex);
      offered = {parcel{message.bytes, {}}, stamp};
    }
    message.carried.clear();
    object.reset();
  }
  done = true;
  reader.join();
  EXPECT_EQ(wrong, 0U);
  EXPECT_GT(late, 0U);
  EXPECT_GT(alive, 0U);
}

}  // namespace
}  // namespace kin_test
