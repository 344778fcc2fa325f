// SPDX-License-Identifier: BSL-1.0
// Every noun together, in the tasks of one pool, while its workers are killed, stopped and continued, descriptors run
// out and memory is limited: each task is done once or failed once, with its reason, is begun no more often than its
// retries allow, and all nouns are good afterwards. KIN_CHAOS_SECONDS and KIN_CHAOS_SEED choose how long and which; the
// seed, which also chooses the start method, is printed.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "faults/all_nouns.hpp"
#include "faults/tally.hpp"
#include "faults/victims.hpp"
#include "support/calls_have_ended.hpp"
#include "support/eventually.hpp"
#include "support/leaves_nothing_behind.hpp"

namespace kin_test {
namespace {

using clock = std::chrono::steady_clock;

[[maybe_unused]] const bool warm = warm_up([] {
  const kin::event e;
  const kin::array<char> large(64 << 10);
  kin::process([] {}).join();
  kin::async(kin::start::fork, [] {}).get();
  kin::async(kin::start::forkserver, [] {}).get();
  kin::async([] {}).get();
  if (!eventually(calls_have_ended)) std::abort();
});

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

class storm {
 public:
  explicit storm(std::uint64_t seed)
      : random_(seed),
        hits_(seed + 1),
        start_(method_of(static_cast<int>(seed % 3))),
        all_{.array = kin::array<int>(5000),
             .ages = manager_.dict<std::string, int>({{"visits", 0}}),
             .names = manager_.list<int>(),
             .runs = kin::array<int>(most_tasks),
             .start = static_cast<int>(start_.which())} {
    std::printf("KIN_CHAOS_SEED=%llu: %s\n", static_cast<unsigned long long>(seed), std::string(start_.name()).c_str());
    kin::pool_options options;
    options.workers = 3;
    options.start = start_;
    options.max_tasks_per_worker = 300;
    options.process.limits.open_files = start_ == kin::start::fork ? 256 : 64;  // a copy has all that are open here
    options.on_worker_event = [this](const kin::worker_event& e) { workers_alive_.note(e); };
    workers_.emplace(std::move(options));
  }

  void rage(std::chrono::seconds how_long) {
    const std::uint64_t pause = longest_pause(*workers_, 40'000);
    const auto end = clock::now() + how_long;
    std::atomic<bool> over{false};
    // On a thread of kin's, one for callbacks: beside any other, start::fork would refuse.
    kin::pool killer({.workers = 1, .start = start_});
    killer.apply_async(actions::square, 1).when_ready([&] { kill(over, pause); });
    while (clock::now() < end && allowed_.size() + 500 < most_tasks && !testing::Test::HasFatalFailure()) {
      submit_tasks();
      call_processes();
      map();
    }
    over = true;
    killer.close();
    killer.join();
    EXPECT_EQ(workers_->apply({.retries = 100}, actions::square, 5), 25);
    workers_.reset();
    sum_.print();
  }

  void check_tasks() {
    EXPECT_EQ(sum_.all(), static_cast<long>(allowed_.size()));
    EXPECT_GT(sum_["done"], 0);
    EXPECT_GT(sum_["lost"], 0);
    for (std::size_t i = 0; i < allowed_.size(); ++i) {
      EXPECT_LE(all_.runs[i], allowed_[i]) << "runs of task " << i;
      if (done_[i]) {
        EXPECT_GE(all_.runs[i], 1) << "runs of task " << i;
      }
    }
  }

  void check_nouns() {
    for (std::size_t i = 0; i < actions::harmless; ++i) EXPECT_EQ(actions::all[i](all_, 3), 9) << i;
    EXPECT_EQ(actions::starts_a_process(all_, 5), 25);
    EXPECT_TRUE(locked(all_.mutex).owns_lock());
    EXPECT_TRUE(locked(all_.recursive).owns_lock());
    // What the dead had acquired has come back.
    EXPECT_TRUE(all_.bounded.try_acquire_for(20s) && all_.bounded.try_acquire_for(20s));
    EXPECT_FALSE(all_.bounded.try_acquire());
    all_.barrier.reset();
    auto other = kin::async([](const kin::barrier& b) { b.arrive_and_wait(); }, all_.barrier);
    all_.barrier.arrive_and_wait();
    other.get();
    while (all_.queue.try_get()) {
    }
    all_.queue.put(7);
    EXPECT_EQ(all_.queue.get(), 7);
    EXPECT_LE(all_.list.size(), 210u);
    EXPECT_TRUE(std::ranges::all_of(all_.memory.bytes(), [](std::byte b) { return b <= std::byte{1}; }));
  }

 private:
  static constexpr std::size_t most_tasks = std::size_t{1} << 22;

  void kill(const std::atomic<bool>& over, std::uint64_t pause) {
    while (!over) {
      const auto kind = hits_() % 20;
      if (kind == 19)
        exhaust_descriptors();
      else
        workers_alive_.signal_one(hits_, kind < 12 ? SIGKILL : kind < 16 ? SIGSTOP : SIGCONT);
      std::this_thread::sleep_for(std::chrono::microseconds(hits_() % pause));
      workers_alive_.signal_all(SIGCONT);
    }
    workers_alive_.signal_all(SIGCONT);
  }

  // One of the first `among` actions.
  job next_job(std::size_t among, int retries) {
    allowed_.push_back(1 + retries);
    done_.push_back(false);
    return {static_cast<int>(allowed_.size() - 1), static_cast<int>(random_() % among),
            static_cast<int>(random_() % 1000)};
  }
  std::vector<job> next_jobs(std::size_t among, int retries) {
    std::vector<job> jobs;
    for (int i = 0; i < 30; ++i) jobs.push_back(next_job(among, retries));
    return jobs;
  }

  void expect_done(const job& j, int value) {
    EXPECT_EQ(value, j.n * j.n) << "of action " << j.action;
    done_[static_cast<std::size_t>(j.number)] = true;
  }
  template <class Values>
  void expect_done(const std::vector<job>& jobs, const Values& values) {
    ASSERT_EQ(values.size(), jobs.size());
    for (std::size_t i = 0; i < jobs.size(); ++i) expect_done(jobs[i], values[i]);
  }
  void account(const kin::future<int>& f, const job& j) {
    sum_.account(1, [&] {
      ASSERT_TRUE(f.wait_for(90s)) << "a task was lost";
      expect_done(j, f.get());
    });
  }

  void submit_tasks() {
    std::vector<std::pair<kin::future<int>, job>> some;
    for (int i = 0; i < 40; ++i) {
      kin::task_options task;
      task.retries = random_() % 2;
      task.timeout = 20s;
      const job j = next_job(std::size(actions::all), static_cast<int>(std::size_t{task.retries}));
      if (actions::needs_limit(static_cast<std::size_t>(j.action))) task.memory_limit = std::uint64_t{64} << 20;
      try {
        some.emplace_back(workers_->apply_async(task, perform, all_, j), j);
      } catch (const kin::os_error&) {
        sum_.account(1, [] { throw; });  // no descriptor for its arguments
      }
    }
    for (const auto& [f, j] : some) account(f, j);
  }

  // A fresh process for each.
  void call_processes() {
    std::vector<std::pair<kin::future<int>, job>> some;
    for (int i = 0; i < 3; ++i) {
      const job j = next_job(actions::anywhere, 0);
      try {
        some.emplace_back(call(j), j);
      } catch (const kin::error&) {
        sum_.account(1, [] { throw; });
      }
    }
    for (const auto& [f, j] : some) account(f, j);
  }
  kin::future<int> call(const job& j) {
    if (start_ == kin::start::fork) return kin::async(kin::start::fork, perform, all_, j);
    if (start_ == kin::start::forkserver) return kin::async(kin::start::forkserver, perform, all_, j);
    return kin::async(perform, all_, j);
  }

  void map() {
    const int retries = static_cast<int>(random_() % 2);
    const auto which = random_() % 6;
    const auto jobs = next_jobs(which == 5 ? actions::harmless : actions::anywhere - 3, retries);
    kin::map_options options{.chunk = 1 + random_() % 4, .task = {.timeout = 20s, .retries = retries}};
    const auto f = kin::bind(perform, all_);
    const auto all = static_cast<long>(jobs.size());
    if (which == 0) sum_.account(all, [&] { expect_done(jobs, workers_->map(f, jobs, options)); });
    if (which == 1) sum_.account(all, [&] { expect_done(jobs, workers_->map_async(f, jobs, options).get()); });
    if (which == 2) {
      std::vector<std::pair<job, int>> pairs;
      for (const job& j : jobs) pairs.emplace_back(j, j.n);
      const auto g = kin::bind(perform_as, all_);
      sum_.account(all, [&] {
        expect_done(jobs, random_() % 2 ? workers_->starmap(g, pairs, options)
                                        : workers_->starmap_async(g, pairs, options).get());
      });
    }
    options.chunk = 1;
    options.window = 8;
    if (which == 3) take(workers_->imap(f, jobs, options), jobs);
    if (which == 4) {
      sum_.account(all, [&] {
        std::vector<int> expected, values;
        for (const job& j : jobs) expected.push_back(j.n * j.n);
        for (const int v : workers_->imap_unordered(f, jobs, options)) values.push_back(v);
        std::ranges::sort(expected);
        std::ranges::sort(values);
        ASSERT_EQ(values, expected);
        for (const job& j : jobs) done_[static_cast<std::size_t>(j.number)] = true;
      });
    }
    if (which == 5) map_array(jobs, retries);
  }

  // Ranges that workers and this process claim, instead of tasks.
  void map_array(const std::vector<job>& jobs, int retries) {
    const kin::map_options options{.caller_takes_part = random_() % 2 == 0, .task = {.retries = retries}};
    sum_.account(static_cast<long>(jobs.size()), [&] {
      const kin::array<job> in(jobs);
      const kin::array<int> out(in.size());
      workers_->map(kin::bind(perform, all_), in, out, options);
      expect_done(jobs, out);
    });
  }

  // Each item has its own fate; what could not be submitted ends the rest.
  template <class Results>
  void take(Results results, const std::vector<job>& jobs) {
    std::size_t taken = 0;
    try {
      for (auto it = results.begin(); it != results.end(); ++it) {
        const job& j = jobs.at(taken++);
        sum_.account(1, [&] { expect_done(j, *it); });
      }
    } catch (const kin::error&) {
      sum_.account(static_cast<long>(jobs.size() - taken), [] { throw; });
    }
  }

  std::mt19937_64 random_, hits_;
  const kin::start_method start_;
  kin::manager manager_;
  nouns all_;
  victims workers_alive_;
  std::vector<int> allowed_;  // runs of each task
  std::vector<bool> done_;
  tally sum_;
  std::optional<kin::pool> workers_;
};

void rage(std::chrono::seconds how_long) {
  storm s(static_cast<std::uint64_t>(setting("KIN_CHAOS_SEED", static_cast<long>(std::random_device{}()))));
  s.rage(how_long);
  s.check_tasks();
  s.check_nouns();
}

TEST(all_nouns_chaos, accounts_for_every_task) { rage(3s); }
TEST(long_all_nouns_chaos, accounts_for_every_task) { rage(std::chrono::seconds(setting("KIN_CHAOS_SECONDS", 600))); }

}  // namespace
}  // namespace kin_test
