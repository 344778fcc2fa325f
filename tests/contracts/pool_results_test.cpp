// SPDX-License-Identifier: BSL-1.0
// What comes back from a pool, in which order, and what its workers begin with, whatever they are.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <mutex>
#include <ranges>
#include <set>

#include "contracts/any_pool_contract.hpp"

namespace kin_test {
namespace {
class pool_results : public any_pool_contract {};
KIN_ANY_POOL_CONTRACT(pool_results);
class process_pool_results : public pool_contract {};
KIN_POOL_CONTRACT(process_pool_results);

KIN_ANY_POOL_TEST(pool_results, gives_the_value_of_a_task) {
  Pool workers(options(2));
  EXPECT_EQ(workers.apply(square, 7), 49);
  EXPECT_EQ(workers.apply([](std::string s) { return s + "!"; }, "é"), "é!");
  static_assert(std::is_void_v<decltype(workers.apply([] {}))>);
  workers.apply([] {});
  EXPECT_EQ(workers.apply(own_pid) != ::getpid(), has_processes<Pool>);
}

KIN_ANY_POOL_TEST(pool_results, grows_on_demand_up_to_its_size) {
  Pool workers(options(3));
  EXPECT_EQ(workers.size(), 3u);
  EXPECT_EQ(workers.stats().workers, 0u);
  workers.apply(square, 1);
  EXPECT_EQ(workers.stats().workers_started, 1u);
  while (workers.stats().idle == 0) std::this_thread::yield();  // a thread may be leaving the task that has ended
  workers.apply(square, 1);
  EXPECT_EQ(workers.stats().workers_started, 1u);
  const kin::event grown;
  std::vector<kin::future<int>> all;
  for (int i = 0; i < 9; ++i) all.push_back(workers.apply_async(wait_for, grown));
  while (workers.stats().workers_started < 3) std::this_thread::yield();
  grown.set();
  std::set<int> pids;
  for (const auto& f : all) pids.insert(f.get());
  EXPECT_LE(pids.size(), 3u);
  EXPECT_EQ(workers.stats().workers_started, 3u);
  EXPECT_EQ(workers.stats().completed, 11u);
  EXPECT_EQ(workers.stats().submitted, 11u);
}

KIN_ANY_POOL_TEST(pool_results, runs_higher_priorities_first) {
  Pool workers(options(1));
  const kin::event all_wait;
  auto blocker = workers.apply_async(wait_for, all_wait);
  std::vector<std::string> order;
  std::mutex m;
  std::vector<kin::future<int>> all;
  const auto add = [&](int priority, const char* name) {
    all.push_back(workers.apply_async({.priority = priority}, nap, 0).then([&, name](int) {
      const std::lock_guard hold(m);
      order.emplace_back(name);
    }));
  };
  add(0, "a");
  add(-5, "low");
  add(7, "high");
  add(0, "b");
  all_wait.set();
  workers.close();
  workers.join();
  EXPECT_EQ(order, (std::vector<std::string>{"high", "a", "b", "low"}));
}

KIN_ANY_POOL_TEST(pool_results, carries_64_megabytes_each_way) {
  Pool workers(options(2));
  std::vector<std::byte> big(64u << 20, std::byte{7});
  big.back() = std::byte{9};
  auto one = workers.apply_async([](std::vector<std::byte> b) { return b; }, big);
  auto two = workers.apply_async([](const std::vector<std::byte>& b) { return b.size(); }, big);
  auto three = workers.apply_async([](std::size_t n) { return std::string(n, 'x'); }, big.size());
  EXPECT_EQ(one.get(), big);
  EXPECT_EQ(two.get(), big.size());
  EXPECT_EQ(three.get().size(), big.size());
}

TEST_P(process_pool_results, carries_300_descriptors_each_way) {
  kin::pool workers(options(1));
  std::vector<kin::unique_fd> fds;
  for (int i = 0; i < 300; ++i) fds.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  auto back = workers.apply([](std::vector<kin::unique_fd> f) { return f; }, std::move(fds));
  ASSERT_EQ(back.size(), 300u);
  struct stat s {};
  EXPECT_EQ(::fstat(back[299].get(), &s), 0);
}

KIN_ANY_POOL_TEST(pool_results, serves_16_threads_at_once) {
  if (any_pool_contract::GetParam().process == kin::start::fork)
    GTEST_SKIP() << "start::fork refuses a program with threads of its own";
  Pool workers(options(2));
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i)
        if (workers.apply(square, t * 20 + i) != (t * 20 + i) * (t * 20 + i)) ++wrong;
      if (workers.map(square, {t}) != std::vector<int>{t * t}) ++wrong;
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
}

KIN_ANY_POOL_TEST(pool_results, may_be_made_in_a_task) {
  Pool workers(options(1));
  EXPECT_EQ(workers.apply([] {
    Pool inner(2);
    return inner.apply(
        [](int n) {
          Pool innermost(1);
          return innermost.apply(square, n);
        },
        5);
  }),
            25);
}

KIN_ANY_POOL_TEST(pool_results, runs_its_initializer_first_in_each_worker) {
  static thread_local int set_up = 0;
  auto o = options(2);
  o.initializer = kin::bind([](int n) { set_up = n; }, 42);
  Pool workers(std::move(o));
  for (const int n : workers.map([](int) { return set_up; }, std::views::iota(0, 20), {.chunk = 1})) EXPECT_EQ(n, 42);
}

/// What the pool tells of its workers, while `use` uses it.
template <class Pool, class Use>
std::vector<kin::worker_event> told_by(kin::pool_options o, Use use) {
  std::mutex m;
  std::vector<kin::worker_event> events;
  o.on_worker_event = [&](const kin::worker_event& e) {
    const std::lock_guard hold(m);
    events.push_back(e);
    throw std::runtime_error("ignored");
  };
  {
    Pool workers(std::move(o));
    use(workers);
  }
  return events;
}
std::vector<std::size_t> places_of(kin::worker_event::kind what, const std::vector<kin::worker_event>& events) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < events.size(); ++i)
    if (events[i].what == what) places.push_back(i);
  return places;
}

KIN_ANY_POOL_TEST(pool_results, tells_when_its_workers_begin_are_ready_and_go) {
  using k = kin::worker_event::kind;
  auto o = options(1);
  o.max_tasks_per_worker = 1;
  const auto events = told_by<Pool>(std::move(o), [](Pool& workers) {
    workers.apply(square, 1);
    workers.apply(square, 2);
  });
  // The second may begin while the first one goes.
  const auto begun = places_of(k::started, events), ready = places_of(k::ready, events),
             gone = places_of(k::retired, events);
  EXPECT_EQ(events.size(), 6u);
  ASSERT_THAT((std::vector{begun.size(), ready.size(), gone.size()}), testing::Each(2u));
  for (const std::size_t i : {0u, 1u}) EXPECT_TRUE(begun[i] < ready[i] && ready[i] < gone[i]) << i;
  for (const auto& e : events) {
    EXPECT_EQ(e.pid > 0, has_processes<Pool>);
    EXPECT_FALSE(e.text.empty());
  }
}

KIN_ANY_POOL_TEST(pool_results, tells_of_each_worker_whose_initializer_fails) {
  using k = kin::worker_event::kind;
  auto o = options(1);
  o.initializer = kin::bind([] { throw std::runtime_error("no database"); });
  const auto events = told_by<Pool>(std::move(o), [](Pool& workers) {
    EXPECT_THAT(failure_of(workers.apply_async(square, 1)),
                testing::AllOf(testing::StartsWith("start_error"), HasSubstr("no database")));
  });
  EXPECT_EQ(std::ranges::count(events, k::start_failed, &kin::worker_event::what), 3);
  EXPECT_EQ(std::ranges::count(events, k::ready, &kin::worker_event::what), 0);
  for (const auto& e : events) {
    if (e.what != k::start_failed) continue;
    EXPECT_THAT(e.text, HasSubstr("no database"));
  }
}

TEST_P(process_pool_results, runs_tasks_on_the_only_thread_of_their_worker) {
  kin::pool workers(options(2));
  const auto threads = workers.map(
      [](int) {
        const std::filesystem::directory_iterator all("/proc/self/task");
        return std::pair(::gettid() == ::getpid(), std::distance(begin(all), end(all)));
      },
      std::vector<int>(20), {.chunk = 1});
  for (const auto& [is_main, number] : threads) {
    EXPECT_TRUE(is_main);
    if (!sanitized) {
      EXPECT_EQ(number, 1);
    }
  }
}

TEST_P(process_pool_results, tells_that_a_worker_was_lost) {
  const auto events = told_by<kin::pool>(options(1), [](kin::pool& workers) {
    workers.apply(square, 1);
    EXPECT_THROW(workers.apply(die_by, SIGKILL), kin::worker_lost);
    workers.apply(square, 1);
  });
  using k = kin::worker_event::kind;
  std::vector<k> kinds;
  for (const auto& e : events) kinds.push_back(e.what);
  EXPECT_THAT(kinds, testing::ElementsAre(k::started, k::ready, k::lost, k::started, k::ready, k::retired));
}

TEST_P(process_pool_results, passes_the_options_of_processes_on) {
  auto o = options(1);
  o.process.name = "mill";
  o.process.environment = {{"KIN_TEST_COLOUR", "blue"}};
  o.process.working_directory = "/";
  kin::pool workers(std::move(o));
  EXPECT_EQ(workers.apply([] {
    const char* const colour = std::getenv("KIN_TEST_COLOUR");
    return std::string(colour ? colour : "unset");
  }),
            "blue");
  EXPECT_EQ(workers.apply([] {
    char path[64];
    return std::string(::getcwd(path, sizeof path));
  }),
            "/");
}

}  // namespace
}  // namespace kin_test
