// SPDX-License-Identifier: BSL-1.0
// Promises 1 to 3: a worker's death costs exactly its task, and every failure reaches the caller of that task. Many
// deaths are in pool_kills_test.cpp, failures at each station of a task's journey in parity/deadlock_test.cpp.
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <set>

#include <kin/event.hpp>
#include <kin/process.hpp>
#include <kin/value.hpp>

#include "contracts/pool_contract.hpp"

namespace kin_test {
namespace {
class pool_deaths : public pool_contract {};
KIN_POOL_CONTRACT(pool_deaths);

struct unregistered {
  int n = 3;
};
TEST_P(pool_deaths, brings_back_whatever_was_thrown) {
  kin::pool workers(options(1));
  const int pid = workers.apply(own_pid);  // NOLINT(clang-analyzer-deadcode.DeadStores): read at the end
  EXPECT_THROW(workers.apply([] { throw std::out_of_range("here"); }), std::out_of_range);
  EXPECT_THAT(failure_of(workers.apply_async([] { throw 42; })), HasSubstr("int"));
  EXPECT_THAT(failure_of(workers.apply_async([] { throw unregistered{}; })), HasSubstr("unregistered"));
  EXPECT_THAT(failure_of(workers.apply_async([] { throw std::string("text"); })), HasSubstr("string"));
  try {
    workers.apply([] { throw std::system_error(ENOENT, std::system_category(), "file"); });
    FAIL();
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code().value(), ENOENT);
  }
  EXPECT_EQ(workers.apply(own_pid), pid);
}

TEST_P(pool_deaths, loses_one_task_when_a_worker_ends_in_it) {
  kin::pool workers(options(2));
  struct end {
    void (*how)();
    int signal, code;
  };
  const end ends[] = {{[] { std::exit(3); }, 0, 3},
                      {[] { ::_exit(4); }, 0, 4},
                      {[] { std::exit(0); }, 0, 0},
                      {[] { ::pthread_exit(nullptr); }, 0, 1},
                      {[] { std::abort(); }, SIGABRT, -1},
                      {[] { ::raise(SIGKILL); }, SIGKILL, -1},
                      {[] { ::raise(SIGTERM); }, SIGTERM, -1},
                      {[] { ::kill(0, SIGKILL); }, SIGKILL, -1},
                      {[] { std::terminate(); }, SIGABRT, -1}};
  for (const end& e : ends) {
    if (sanitized && e.how == ends[std::size(ends) - 1].how) continue;
    auto lost = workers.apply_async({.name = "doomed"}, e.how);
    auto fine = workers.apply_async(square, 9);
    try {
      lost.get();
      ADD_FAILURE() << "no exception";
    } catch (const kin::worker_lost& w) {
      EXPECT_EQ(w.task(), "doomed");
      EXPECT_EQ(w.signal(), e.signal);
      EXPECT_EQ(w.code(), e.code);
      EXPECT_GT(w.pid(), 1);
      EXPECT_NE(w.pid(), ::getpid());
    }
    EXPECT_EQ(fine.get(), 81);
  }
  EXPECT_EQ(workers.stats().workers_lost, workers.stats().failed);
}

TEST_P(pool_deaths, names_the_task_that_was_lost) {
  kin::pool workers(options(1));
  try {
    workers.apply(die_by, SIGKILL);
    FAIL();
  } catch (const kin::worker_lost& e) {
    EXPECT_THAT(e.what(), HasSubstr("SIGKILL"));
    EXPECT_FALSE(e.task().empty());
  }
}

TEST_P(pool_deaths, tells_a_loss_soon) {
  kin::pool workers(options(1));
  workers.apply(square, 1);
  std::vector<double> times;
  for (int i = 0; i < 9; ++i) {
    const int pid = workers.apply(own_pid);
    const kin::event running;
    auto f = workers.apply_async(
        [](const kin::event& e) {
          e.set();
          return nap(60000);
        },
        running);
    running.wait();
    const auto start = clock::now();
    ::kill(pid, SIGKILL);
    EXPECT_THROW(f.get(), kin::worker_lost);
    times.push_back(ms_since(start));
  }
  std::ranges::sort(times);
  RecordProperty("median_ms", std::to_string(times[4]));
  EXPECT_LT(times[4], 100.0 * patience / 2);
}

TEST_P(pool_deaths, maps_right_after_every_idle_worker_was_killed) {
  kin::pool workers(options(3));
  for (int round = 0; round < 10; ++round) {
    std::set<int> pids;
    for (const int pid : workers.map(nap, std::vector<int>(6, 10), {.chunk = 1})) pids.insert(pid);
    for (const int pid : pids) ::kill(pid, SIGKILL);
    if (round % 2) std::this_thread::sleep_for(std::chrono::milliseconds(round));
    std::vector<int> in(60), expected;
    for (int i = 0; i < 60; ++i) in[static_cast<std::size_t>(i)] = i;
    for (const int i : in) expected.push_back(i * i);
    EXPECT_EQ(workers.map(square, in, {.chunk = 1}), expected);
  }
}

TEST_P(pool_deaths, survives_tasks_that_close_all_descriptors) {
  kin::pool workers(options(1));
  for (const bool reopen : {false, true}) {
    auto f = workers.apply_async(
        [](bool open_others) {
          for (int fd = 3; fd < 64; ++fd) ::close(fd);
          if (open_others)
            for (int i = 0; i < 5; ++i) (void)::open("/dev/null", O_RDWR);
          return 1;
        },
        reopen);
    EXPECT_THAT(failure_of(f), testing::StartsWith("worker_lost"));
    EXPECT_EQ(workers.apply(square, 3), 9);
  }
}

TEST_P(pool_deaths, is_not_fooled_by_a_forked_child_that_holds_the_channel) {
  kin::pool workers(options(1));
  auto f = workers.apply_async([] {
    if (::fork() == 0) {
      ::sleep(60);
      ::_exit(0);
    }
    ::raise(SIGKILL);
  });
  const auto start = clock::now();
  EXPECT_THROW(f.get(), kin::worker_lost);
  EXPECT_LT(ms_since(start), 1000.0 * patience);
  EXPECT_EQ(workers.apply(square, 3), 9);
  // The child was in the worker's process group and went along; else the fixture finds it.
}

TEST_P(pool_deaths, takes_one_answer_of_a_task_that_forks_and_returns_twice) {
  kin::pool workers(options(1));
  for (int i = 0; i < 5; ++i) {
    const auto pids = workers.apply([] {
      const int child = ::fork();
      if (child > 0) ::waitpid(child, nullptr, 0);
      return std::pair(::getpid(), child);
    });
    EXPECT_NE(pids.second, 0);
    EXPECT_EQ(workers.apply(own_pid), pids.first);
  }
}

TEST_P(pool_deaths, fails_what_waits_when_the_initializer_throws) {
  for (const std::size_t size : {1u, 4u}) {
    auto o = options(size);
    std::atomic<int> starts{0};
    o.on_worker_event = [&](const kin::worker_event& e) { starts += e.what == kin::worker_event::kind::started; };
    // Not before all tasks wait: those that come after the last attempt are worth attempts of their own.
    kin::event submitted;
    o.initializer = kin::bind(
        [](const kin::event& when) {
          when.wait();
          throw std::runtime_error("no database");
        },
        submitted);
    kin::pool workers(std::move(o));
    const auto start = clock::now();
    std::vector<kin::future<int>> all;
    for (int i = 0; i < 20; ++i) all.push_back(workers.apply_async(square, i));
    submitted.set();
    for (const auto& f : all) {
      const std::string why = failure_of(f);
      EXPECT_THAT(why, testing::StartsWith("start_error"));
      EXPECT_THAT(why, HasSubstr("no database"));
    }
    EXPECT_LT(ms_since(start), 1000.0 * patience);
    EXPECT_LE(starts, static_cast<int>(size) + 3);
    EXPECT_THAT(failure_of(workers.apply_async(square, 1)), testing::StartsWith("start_error"));
  }
}

// Promise 5: however often somebody asks.
TEST_P(pool_deaths, makes_longer_and_longer_pauses_between_starts_that_fail) {
  auto o = options(1);
  const kin::value<int> starts(0);
  o.initializer = kin::bind(
      [](const kin::value<int>& counted) {
        counted.fetch_add(1);
        throw std::runtime_error("no database");
      },
      starts);
  kin::pool workers(std::move(o));
  const auto start = clock::now();
  for (int i = 0; i < 4; ++i) EXPECT_THROW(workers.apply(square, i), kin::start_error);
  const int pauses = starts.load() - 1;
  EXPECT_GE(pauses, 11);
  EXPECT_GE(ms_since(start), 20 + 40 + 80 * (pauses - 2));
}

TEST_P(pool_deaths, fails_what_waits_when_the_initializer_crashes_or_exits) {
  const kin::bound_call ends[] = {kin::bind(die_by, SIGKILL), [] { std::exit(0); }, [] { ::_exit(5); },
                                  [] {
                                    for (int fd = 3; fd < 64; ++fd) ::close(fd);
                                  }};
  for (const auto& how : ends) {
    auto o = options(2);
    o.initializer = how;
    kin::pool workers(std::move(o));
    const auto start = clock::now();
    auto a = workers.apply_async(square, 1), b = workers.apply_async(square, 2);
    EXPECT_THAT(failure_of(a), testing::StartsWith("start_error"));
    EXPECT_THAT(failure_of(b), testing::StartsWith("start_error"));
    EXPECT_LT(ms_since(start), 1000.0 * patience);
  }
}

// Promise 16: a worker is its pool's, whichever thread has had it started.
TEST_P(pool_deaths, do_not_come_with_the_end_of_the_thread_that_started_the_worker) {
  kin::pool workers(options(1));
  int worker = 0;
  if (GetParam() == kin::start::fork)
    worker = workers.apply(own_pid);  // refused in a thread that kin did not start
  else
    std::thread([&] { worker = workers.apply(own_pid); }).join();
  std::thread([&] { EXPECT_EQ(workers.apply(own_pid), worker); }).join();
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(workers.apply(own_pid), worker);
  EXPECT_EQ(workers.stats().workers_lost, 0U);
}

}  // namespace
}  // namespace kin_test
