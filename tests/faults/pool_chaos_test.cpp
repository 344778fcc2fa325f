// SPDX-License-Identifier: BSL-1.0
// A pool while its workers are killed, stopped and continued at random: each task is done once or failed once, with its
// reason. KIN_CHAOS_SECONDS and KIN_CHAOS_SEED choose how long and which; the seed is printed.
#include <gtest/gtest.h>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <new>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <kin/pool.hpp>

#include "faults/victims.hpp"

namespace kin_test {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

struct tally {
  long values = 0, lost = 0, thrown = 0, late = 0, no_memory = 0, no_worker = 0;
};

int square(int n) { return n * n; }
int outer(int n) { return kin::current_pool().apply(square, n); }
int throws(int n) { throw std::out_of_range(std::to_string(n)); }
int leaves(int n) { std::exit(n % 7); }
int takes_memory(int n) {
  const std::vector<char> bytes(std::size_t{1} << 30, 'x');
  const volatile char* used = bytes.data();  // else the compiler may do without them
  return used[n] + n;
}

void account(const kin::future<int>& f, int n, tally& sum) {
  try {
    EXPECT_EQ(f.get(), n * n);
    ++sum.values;
  } catch (const kin::worker_lost&) {
    ++sum.lost;
  } catch (const kin::start_error&) {
    ++sum.no_worker;  // killed faster than they start, where the machine is busy
  } catch (const std::out_of_range&) {
    ++sum.thrown;
  } catch (const kin::task_timeout&) {
    ++sum.late;
  } catch (const std::bad_alloc&) {
    ++sum.no_memory;
  }
}

void storm(std::chrono::seconds how_long) {
  const auto seed = static_cast<std::uint64_t>(setting("KIN_CHAOS_SEED", static_cast<long>(std::random_device{}())));
  std::printf("KIN_CHAOS_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed), hits(seed + 1);
  victims workers_alive;
  kin::pool_options options;
  options.workers = 3;
  options.max_tasks_per_worker = 200;
  options.on_worker_event = [&](const kin::worker_event& e) { workers_alive.note(e); };
  tally sum;
  long submitted = 0;
  {
    kin::pool workers(std::move(options));
    const std::uint64_t pause = longest_pause(workers, 20'000);
    const auto end = clock::now() + how_long;
    std::atomic<bool> over{false};
    std::thread killer([&] {
      while (!over) {
        const auto kind = hits() % 8;
        workers_alive.signal_one(hits, kind < 5 ? SIGKILL : kind < 7 ? SIGSTOP : SIGCONT);
        std::this_thread::sleep_for(std::chrono::microseconds(hits() % pause));
        workers_alive.signal_all(SIGCONT);
      }
      workers_alive.signal_all(SIGCONT);
    });
    while (clock::now() < end) {
      std::vector<std::pair<kin::future<int>, int>> some;
      for (int i = 0; i < 100; ++i) {
        const int n = static_cast<int>(random() % 1000);
        kin::task_options task;
        task.retries = random() % 3;
        task.timeout = 20s;
        if (random() % 20 == 0) task.memory_limit = std::uint64_t{64} << 20;
        const auto kind = random() % 20;
        some.emplace_back(workers.apply_async(task,
                                              kind == 0                            ? throws
                                              : kind == 1                          ? leaves
                                              : kind == 2 && task.memory_limit > 0 ? takes_memory
                                              : kind < 6                           ? outer
                                                                                   : square,
                                              n),
                          n);
      }
      submitted += 100;
      for (const auto& [f, n] : some) account(f, n, sum);
    }
    over = true;
    killer.join();
    EXPECT_EQ(workers.apply({.retries = 100}, square, 5), 25);
  }
  EXPECT_EQ(sum.values + sum.lost + sum.thrown + sum.late + sum.no_memory + sum.no_worker, submitted);
  EXPECT_GT(sum.values, 0);
  EXPECT_GT(sum.lost, 0);
  std::printf("%ld tasks: %ld done, %ld lost, %ld threw, %ld late, %ld out of memory, %ld without a worker\n",
              submitted, sum.values, sum.lost, sum.thrown, sum.late, sum.no_memory, sum.no_worker);
}

TEST(pool_chaos, accounts_for_every_task) { storm(3s); }
TEST(long_pool_chaos, accounts_for_every_task) { storm(std::chrono::seconds(setting("KIN_CHAOS_SECONDS", 600))); }

}  // namespace
}  // namespace kin_test
