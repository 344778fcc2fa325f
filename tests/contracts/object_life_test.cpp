// SPDX-License-Identifier: BSL-1.0
// Shared objects go with their last handle, whichever way the handles went; and not before.
// Not under ThreadSanitizer, which is blind between processes.
#ifndef __SANITIZE_THREAD__
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <functional>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <kin/kin.hpp>

#include "support/eventually.hpp"
#include "support/family_memory.hpp"
#include "support/leaves_nothing_behind.hpp"

namespace kin_test {
namespace {

using namespace std::chrono_literals;
using numbers = kin::array<std::uint64_t>;

const bool warm = warm_up([] {
  const kin::array<int> large(100'000);
  kin::process([] {}).join();
});

constexpr std::size_t large = std::size_t{4} << 20;  // bytes of an array
constexpr std::size_t large_count = large / sizeof(std::uint64_t);

std::uint64_t next(std::uint64_t n) { return n + 1; }
void add_one(const numbers& to) { ++to[7]; }
void add_to_first_of(const kin::queue<numbers>& from, const kin::queue<int>& done) {
  for (const numbers& one : from) {
    ++one[7];
    done.put(1);
  }
}
void add_to_received(kin::connection from) {
  try {
    for (;;) {
      const auto one = from.recv<numbers>();
      ++one[7];
      from.send(1);
    }
  } catch (const kin::closed_error&) {
  }
}
numbers made_there() {
  numbers made(large_count);
  made[7] = 1;
  return made;
}

// A way for an array to get to another process and to be used there, anew each round.
struct way {
  std::string name;
  std::function<std::function<void()>()> begin;
};

std::function<void()> mapping_in_a_pool() {
  auto workers = std::make_shared<kin::pool>(2);
  return [workers] {
    const numbers in(large_count), out(large_count);
    workers->map(next, in, out);
    ASSERT_EQ(out[large_count - 1], 1U);
  };
}
std::function<void()> tasks_of_a_pool() {
  auto workers = std::make_shared<kin::pool>(2);
  return [workers] {
    const numbers one(large_count);
    auto a = workers->apply_async(add_one, one), b = workers->apply_async({.retries = 2}, add_one, one);
    a.get(), b.get();
    ASSERT_GE(one[7], 1U);
  };
}
std::function<void()> results_of_a_pool() {
  auto workers = std::make_shared<kin::pool>(2);
  return [workers] { ASSERT_EQ(workers->apply(made_there)[7], 1U); };
}
std::function<void()> arguments_of_processes(kin::start_method how) {
  return [how] {
    const numbers one(large_count);
    kin::process({.start = how}, add_one, one).join();
    ASSERT_EQ(one[7], 1U);
  };
}
std::function<void()> forks() {
  return [] {
    const numbers one(large_count);
    kin::process(kin::start::fork, [&] { add_one(one); }).join();
    ASSERT_EQ(one[7], 1U);
  };
}
std::function<void()> queue_items() {
  const kin::queue<numbers> items;
  const kin::queue<int> done;
  auto reader = std::make_shared<kin::process>(add_to_first_of, items, done);
  // Closed before the process is joined.
  auto closing = std::shared_ptr<void>(nullptr, [items, reader](void*) {
    items.close();
    reader->join();
  });
  return [items, done, closing] {
    const numbers one(large_count);
    items.put(one);
    ASSERT_EQ(done.get_for(30s), 1);
    ASSERT_EQ(one[7], 1U);
  };
}
std::function<void()> messages() {
  auto [ours, theirs] = kin::pipe();
  auto end = std::make_shared<kin::connection>(std::move(ours));
  auto reader = std::make_shared<kin::process>(add_to_received, std::move(theirs));
  auto closing = std::shared_ptr<void>(nullptr, [end, reader](void*) {
    end->close();
    reader->join();
  });
  return [end, closing] {
    const numbers one(large_count);
    end->send(one);
    ASSERT_EQ(end->recv<int>(), 1);
    ASSERT_EQ(one[7], 1U);
  };
}
std::function<void()> queues_to_processes() {
  auto workers = std::make_shared<kin::pool>(2);
  return [workers] {
    const kin::queue<std::string> items;
    for (int i = 0; i < 100; ++i) items.put(std::string(10'000, 'a'));  // more than one segment
    ASSERT_EQ(workers->apply(
                  +[](const kin::queue<std::string>& from) {
                    for (int i = 0; i < 100; ++i) from.put(std::string(20'000, 'b'));
                    return from.get().size();
                  },
                  items),
              10'000U);
  };
}
std::function<void()> many_small_ones() {
  auto workers = std::make_shared<kin::pool>(2);
  return [workers] {
    const std::vector<kin::mutex> locks(500);
    const std::vector<kin::shared_dict<int, std::string>> dicts(20);
    dicts[3].set(1, std::string(50'000, 'x'));  // in a span
    ASSERT_EQ(workers->apply(
                  +[](const std::vector<kin::mutex>& all, const std::vector<kin::shared_dict<int, std::string>>& more) {
                    for (const kin::mutex& m : all) const std::scoped_lock hold(m);
                    more[4].set(2, std::string(50'000, 'y'));
                    return more[3].at(1).size();
                  },
                  locks, dicts),
              50'000U);
    ASSERT_EQ(dicts[4].at(2).size(), 50'000U);
  };
}
std::function<void()> calls_of_a_manager() {
  auto server = std::make_shared<kin::manager>();
  auto list = std::make_shared<kin::list_proxy<numbers>>(server->list<numbers>());
  return [server, list] {
    list->push_back(numbers(large_count));
    ++(*list)[0][7];
    ASSERT_EQ((*list)[0][7], 1U);
    list->pop();
  };
}

const std::vector<way> ways = {
    {"a map in a pool", mapping_in_a_pool},
    {"tasks of a pool", tasks_of_a_pool},
    {"results of a pool", results_of_a_pool},
    {"arguments of spawned processes", [] { return arguments_of_processes(kin::start::spawn); }},
    {"arguments of served processes", [] { return arguments_of_processes(kin::start::forkserver); }},
    {"arguments of forked processes", [] { return arguments_of_processes(kin::start::fork); }},
    {"closures of forked processes", forks},
    {"items of a queue", queue_items},
    {"messages", messages},
    {"queues handed to tasks", queues_to_processes},
    {"many small ones", many_small_ones},
    {"calls of a manager", calls_of_a_manager},
};

class objects_that_go_by : public testing::TestWithParam<way> {};

TEST_P(objects_that_go_by, leave_the_familys_memory_as_it_was) {
  const auto round = GetParam().begin();
  const bool starts = GetParam().name.find("processes") != std::string::npos;
  for (int i = 0; i < 5; ++i) round();
  const std::size_t allowed = family_memory() + 3 * large;
  std::size_t most = 0;
  for (int i = 0; i < (starts ? 40 : 200); ++i) {
    round();
    most = std::max(most, family_memory());
  }
  EXPECT_LT(most, allowed + 8 * large) << "on the way";
  EXPECT_TRUE(eventually([&] { return family_memory() <= allowed; })) << family_memory() << " of " << allowed;
}
INSTANTIATE_TEST_SUITE_P(in, objects_that_go_by, testing::ValuesIn(ways), [](const auto& of) {
  std::string name = of.param.name;
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
});

TEST(object_life, goes_on_in_a_queue_when_its_maker_has_ended) {
  const std::size_t before = family_memory();
  const kin::queue<numbers> items;
  for (const bool killed : {false, true})
    kin::process(
        +[](const kin::queue<numbers>& to, bool kill) {
          numbers made(large_count);
          std::iota(made.begin(), made.end(), 0U);
          to.put(std::exchange(made, numbers(1)));
          if (kill) raise(SIGKILL);
        },
        items, killed)
        .join();
  for (int i = 0; i < 2; ++i) {
    const numbers got = items.get();
    EXPECT_EQ(got[large_count - 1], large_count - 1);
  }
  EXPECT_TRUE(eventually([&] { return family_memory() < before + large; }));
}

TEST(object_life, ends_when_all_who_held_it_have_been_killed) {
  const std::size_t before = family_memory();
  const kin::queue<int> holding;
  std::vector<kin::process> holders;
  {
    const std::vector<numbers> all(8, numbers(large_count));
    for (int i = 0; i < 3; ++i)
      holders.emplace_back(
          +[](const std::vector<numbers>& held, const kin::queue<int>& say) {
            say.put(static_cast<int>(held.size()));
            pause();
          },
          std::vector<numbers>{numbers(large_count), all[0]}, holding);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(holding.get_for(30s), 2);
  }
  for (kin::process& holder : holders) {
    EXPECT_GE(family_memory(), before + large);
    holder.kill();
    holder.join();
  }
  EXPECT_TRUE(eventually([&] { return family_memory() < before + large; }));
}

// Each array is its number, many times over, for as long as somebody has it.
bool is_whole(const numbers& one) {
  return one[0] != 0 && std::all_of(one.begin(), one.end(), [&](std::uint64_t n) { return n == one[0]; });
}
void juggle(const kin::queue<numbers>& ring, const kin::value<long>& made, const kin::value<long>& wrong,
            unsigned seed) {
  std::mt19937 chance(seed);
  std::vector<std::pair<numbers, std::uint64_t>> mine;
  for (;;) {
    const auto pick = mine.empty() ? 0 : chance() % mine.size();
    switch (chance() % 5) {
      case 0: {
        numbers fresh(chance() % 8 == 0 ? 1000 : 8);
        const auto stamp = static_cast<std::uint64_t>(made.fetch_add(1)) + 1;
        std::fill(fresh.begin(), fresh.end(), stamp);
        mine.emplace_back(std::move(fresh), stamp);
        break;
      }
      case 1:
      case 2:
        if (!mine.empty()) ring.put(mine[pick].first);
        break;
      case 3:
        if (auto got = ring.try_get()) mine.emplace_back(*got, (*got)[0]);
        break;
      default:
        if (!mine.empty()) mine.erase(mine.begin() + static_cast<std::ptrdiff_t>(pick));
    }
    for (const auto& [one, stamp] : mine)
      if (one[0] != stamp || !is_whole(one)) wrong.fetch_add(1);
    while (mine.size() > 16) mine.erase(mine.begin());
  }
}

void play(std::chrono::seconds how_long) {
  const kin::queue<numbers> ring;
  const kin::value<long> made{0}, wrong{0};
  std::vector<kin::process> players;
  unsigned seed = 0;
  const auto join_in = [&] { players.emplace_back(juggle, ring, made, wrong, ++seed); };
  for (int i = 0; i < 8; ++i) join_in();
  std::mt19937 chance(1);
  for (const auto end = std::chrono::steady_clock::now() + how_long; std::chrono::steady_clock::now() < end;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(chance() % 30));
    const auto victim = players.begin() + static_cast<std::ptrdiff_t>(chance() % players.size());
    victim->kill();
    victim->join();
    players.erase(victim);
    join_in();
  }
  for (kin::process& player : players) player.kill();
  players.clear();
  EXPECT_EQ(long{wrong}, 0);
  EXPECT_GT(long{made}, 100);
  while (const auto left = ring.try_get()) EXPECT_TRUE(is_whole(*left));
}

TEST(object_life, is_never_over_while_a_process_has_a_handle_though_others_are_killed) { play(3s); }
TEST(long_object_life, is_never_over_while_a_process_has_a_handle_though_others_are_killed) { play(120s); }

}  // namespace
}  // namespace kin_test
#endif
