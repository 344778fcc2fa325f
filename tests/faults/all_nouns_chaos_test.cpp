// SPDX-License-Identifier: BSL-1.0
// Every noun together, in the tasks of one pool, while its workers are killed, stopped and continued, descriptors run
// out and memory is limited: each task is done once or failed once, with its reason, and all nouns are good afterwards.
// KIN_CHAOS_SECONDS and KIN_CHAOS_SEED choose how long and which; the seed is printed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <map>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <kin/kin.hpp>

#include "faults/victims.hpp"
#include "support/leaves_nothing_behind.hpp"

namespace kin_test {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

[[maybe_unused]] const bool warm = warm_up([] {
  const kin::event e;
  const kin::array<char> large(64 << 10);
  kin::process([] {}).join();
});

struct nouns {
  kin::mutex mutex{};
  kin::condition_variable changed{};
  kin::counting_semaphore permits{2};
  kin::event event{};
  kin::queue<int> queue{};
  kin::value<long> value{0};
  kin::array<int> array{};
  kin::shared_dict<int, std::string> dict{};
  kin::shared_list<int> list{};
  kin::dict_proxy<std::string, int> ages;
};

std::unique_lock<kin::mutex> locked(const kin::mutex& m) {
  try {
    return std::unique_lock(const_cast<kin::mutex&>(m));
  } catch (const kin::owner_died&) {
    return m.recover();
  }
}

int square(int n) { return n * n; }
void echo(kin::connection to) { to.send(2 * to.recv<int>()); }

// --- what tasks do: each returns n * n -------------------------------------------------------------------------------

int locks(const nouns& all, int n) {
  const auto hold = locked(all.mutex);
  all.value.fetch_add(1);
  all.changed.notify_all();
  return n * n;
}
int waits(const nouns& all, int n) {
  auto hold = locked(all.mutex);
  try {
    (void)all.changed.wait_for(hold, 1ms);
  } catch (const kin::owner_died&) {
    (void)all.mutex.recover();  // unlocked again at once
  }
  return n * n;
}
int acquires(const nouns& all, int n) {
  if (!all.permits.try_acquire_for(1ms)) return n * n;  // who died has taken its permit along
  all.permits.release();
  return n * n;
}
int queues(const nouns& all, int n) {
  all.queue.put(n);
  (void)all.queue.get_for(1ms);
  all.event.set();
  return n * n;
}
int keeps(const nouns& all, int n) {
  all.dict.set(n % 50, std::string(static_cast<std::size_t>(n % 300), 'x'));
  const auto found = all.dict.get(n % 50);
  if (found && found->find_first_not_of('x') != std::string::npos) return -1;
  if (all.list.size() < 200) all.list.push_back(n);
  all.array[static_cast<std::size_t>(n) % all.array.size()] = n;
  return n * n;
}
int asks_the_manager(const nouns& all, int n) {
  all.ages.update("visits", [](int& visits) { ++visits; });
  return n * n;
}
int starts_a_process(const nouns&, int n) {
  auto [a, b] = kin::pipe();
  kin::process child(echo, std::move(b));
  a.send(n);
  return a.recv<int>() == 2 * n ? n * n : -1;
}
int uses_threads(const nouns&, int n) {
  kin::thread_pool threads(2);
  const auto all = threads.map(square, {n, n + 1, n});
  return all[0];
}
int asks_its_pool(const nouns&, int n) { return kin::current_pool().apply(square, n); }
int takes_all_descriptors(const nouns&, int n) {
  std::vector<kin::unique_fd> all;
  for (;;) {
    all.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!all.back()) break;
  }
  auto [a, b] = kin::pipe();  // throws
  return a.closed() ? -1 : n * n;
}
int takes_much_memory(const nouns&, int n) {
  return static_cast<int>(std::vector<char>(std::size_t{1} << 30, 'x').size()) > 0 ? n * n : -1;
}
int throws(const nouns&, int n) { throw std::out_of_range(std::to_string(n)); }

constexpr int (*actions[])(const nouns&, int) = {locks,
                                                 waits,
                                                 acquires,
                                                 queues,
                                                 keeps,
                                                 asks_the_manager,
                                                 starts_a_process,
                                                 uses_threads,
                                                 asks_its_pool,
                                                 takes_all_descriptors,
                                                 throws,
                                                 takes_much_memory};

// --- what came of them -----------------------------------------------------------------------------------------------

using tally = std::map<std::string, long>;
void account(const kin::future<int>& f, int n, tally& sum) {
  ASSERT_TRUE(f.wait_for(90s)) << "a task was lost";
  try {
    EXPECT_EQ(f.get(), n * n);
    ++sum["done"];
  } catch (const kin::worker_lost&) {
    ++sum["lost"];
  } catch (const kin::task_timeout&) {
    ++sum["late"];
  } catch (const kin::start_error&) {
    ++sum["no worker"];
  } catch (const kin::closed_error&) {
    ++sum["a peer died"];  // the process that a task had started, killed by the lack of descriptors
  } catch (const kin::os_error&) {
    ++sum["refused by the system"];
  } catch (const kin::decode_error&) {
    ++sum["no room for its descriptors"];
  } catch (const std::bad_alloc&) {
    ++sum["out of memory"];
  } catch (const std::out_of_range&) {
    ++sum["threw"];
  }
}

int descriptors_here() {
  return static_cast<int>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

// For a moment no descriptor is to be had in this process, which starts workers.
void exhaust_descriptors() {
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  rlimit now = before;
  now.rlim_cur = static_cast<rlim_t>(descriptors_here());
  ::setrlimit(RLIMIT_NOFILE, &now);
  std::this_thread::sleep_for(2ms);
  ::setrlimit(RLIMIT_NOFILE, &before);
}

void storm(std::chrono::seconds how_long) {
  const auto seed = static_cast<std::uint64_t>(setting("KIN_CHAOS_SEED", static_cast<long>(std::random_device{}())));
  std::printf("KIN_CHAOS_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed), hits(seed + 1);
  kin::manager manager;
  nouns all{.array = kin::array<int>(5000), .ages = manager.dict<std::string, int>({{"visits", 0}})};
  victims workers_alive;
  kin::pool_options options;
  options.workers = 3;
  options.max_tasks_per_worker = 300;
  options.process.limits.open_files = 64;
  options.on_worker_event = [&](const kin::worker_event& e) { workers_alive.note(e); };
  tally sum;
  long submitted = 0;
  {
    kin::pool workers(std::move(options));
    const std::uint64_t pause = longest_pause(workers, 40'000);
    const auto end = clock::now() + how_long;
    std::atomic<bool> over{false};
    std::thread killer([&] {
      while (!over) {
        const auto kind = hits() % 20;
        if (kind == 19)
          exhaust_descriptors();
        else
          workers_alive.signal_one(hits, kind < 12 ? SIGKILL : kind < 16 ? SIGSTOP : SIGCONT);
        std::this_thread::sleep_for(std::chrono::microseconds(hits() % pause));
        workers_alive.signal_all(SIGCONT);
      }
      workers_alive.signal_all(SIGCONT);
    });
    while (clock::now() < end && !testing::Test::HasFatalFailure()) {
      std::vector<std::pair<kin::future<int>, int>> some;
      for (int i = 0; i < 50; ++i) {
        const int n = static_cast<int>(random() % 1000);
        kin::task_options task;
        task.retries = random() % 2;
        task.timeout = 20s;
        auto action = random() % std::size(actions);
        if (actions[action] == takes_much_memory) task.memory_limit = std::uint64_t{64} << 20;
        try {
          some.emplace_back(workers.apply_async(task, actions[action], all, n), n);
        } catch (const kin::os_error&) {
          ++sum["refused by the system"];  // no descriptor for its arguments
        }
        ++submitted;
      }
      for (const auto& [f, n] : some) account(f, n, sum);
    }
    over = true;
    killer.join();
    EXPECT_EQ(workers.apply({.retries = 100}, square, 5), 25);
  }
  long accounted = 0;
  std::printf("%ld tasks:", submitted);
  for (const auto& [what, times] : sum) {
    std::printf(" %ld %s;", times, what.c_str());
    accounted += times;
  }
  std::printf("\n");
  EXPECT_EQ(accounted, submitted);
  EXPECT_GT(sum["done"], 0);
  EXPECT_GT(sum["lost"], 0);

  // All nouns are good after that.
  locks(all, 1);
  EXPECT_TRUE(locked(all.mutex).owns_lock());
  EXPECT_EQ(queues(all, 2), 4);
  EXPECT_EQ(keeps(all, 3), 9);
  EXPECT_EQ(asks_the_manager(all, 4), 16);
  EXPECT_EQ(starts_a_process(all, 5), 25);
  EXPECT_EQ(uses_threads(all, 6), 36);
}

TEST(all_nouns_chaos, accounts_for_every_task) { storm(3s); }
TEST(long_all_nouns_chaos, accounts_for_every_task) { storm(std::chrono::seconds(setting("KIN_CHAOS_SECONDS", 600))); }

}  // namespace
}  // namespace kin_test
