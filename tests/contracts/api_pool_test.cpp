// SPDX-License-Identifier: BSL-1.0
// api, the pool's part: lazy and asynchronous verbs, options, threads and coroutines as the documents write them. What
// users have been promised compiles here, and runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <future>
#include <numeric>
#include <ranges>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <kin/kin.hpp>

using namespace std::chrono_literals;

namespace {

int f(int x) { return x * x; }
int add(int a, int b) { return a + b; }
void setup(const std::string&) {}
int in_own_pool(int x) { return kin::current_pool().apply(f, x); }

std::vector<int> numbers(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}
const std::vector<std::tuple<int, int>> tuples{{1, 2}, {3, 4}};

TEST(api, pools_are_lazy_as_written) {
  kin::pool workers(2);
  const auto endless = std::views::iota(0);
  int seen = 0;
  for (int v : workers.imap(f, endless, {.window = 64})) {
    EXPECT_EQ(v, seen * seen);
    if (++seen == 100) break;
  }
  EXPECT_EQ(seen, 100);
  std::vector<int> all;
  for (int v : workers.imap_unordered(f, numbers(4))) all.push_back(v);
  EXPECT_THAT(all, testing::UnorderedElementsAre(0, 1, 4, 9));
}

TEST(api, pools_are_asynchronous_as_written) {
  kin::pool workers(2);
  const auto range = numbers(4);
  kin::future<std::vector<int>> squares = workers.map_async(f, range);
  kin::future<std::vector<int>> sums = workers.starmap_async(add, tuples);
  kin::future<void> nothing = workers.map_async([](int) {}, range);
  EXPECT_EQ(squares.get(), (std::vector{0, 1, 4, 9}));
  EXPECT_EQ(sums.get(), (std::vector{3, 7}));
  EXPECT_EQ(workers.starmap(add, tuples), sums.get());
  nothing.get();
  kin::future<int> a = workers.apply_async(f, 2), b = workers.apply_async(f, 3);
  EXPECT_EQ(kin::when_all(a, b).get(), (std::tuple{4, 9}));
  int sum = 0;
  for (const auto& x : kin::as_completed(std::vector{a, b})) sum += x.get();
  EXPECT_EQ(sum, 13);
}

TEST(api, maps_take_their_options_as_written) {
  kin::pool workers(2);
  const auto range = numbers(400);
  const auto squares =
      workers.map(f, range, {.chunk = 100, .progress = kin::progress_bar("thumbnails"), .caller_takes_part = true});
  EXPECT_EQ(squares.at(399), 399 * 399);
  std::size_t told = 0;
  workers.map(f, range, {.progress = [&](std::size_t done, std::size_t) { told = done; }});
  EXPECT_EQ(told, 400u);
  workers.terminate();
}

// Each option in its place; g++ refuses designators in any other order.
TEST(api, options_are_designated_in_their_order) {
  const kin::task_options task{
      .timeout = 20s, .retries = 2, .memory_limit = std::uint64_t{1} << 40, .name = "named", .priority = 1};
  const kin::map_options map{.chunk = 2, .window = 8, .progress = {}, .caller_takes_part = false, .task = task};
  kin::pool workers({.workers = 1,
                     .initializer = kin::bind(setup, "db"),
                     .max_tasks_per_worker = 100,
                     .max_worker_memory = std::uint64_t{1} << 40,
                     .idle_timeout = 60s,
                     .max_pending = 1000,
                     .start = kin::start::forkserver,
                     .capture_stderr = true,
                     .on_worker_event = [](const kin::worker_event&) {},
                     .process = {.name = "api"}});
  EXPECT_EQ(workers.apply(task, f, 3), 9);
  EXPECT_EQ(workers.map(f, {1, 2, 3}, map), (std::vector{1, 4, 9}));
}

// The same by place: a member that is missing, new or elsewhere does not compile, or is not found again. Their types
// are those of the documents.
TEST(api, options_have_the_members_of_the_documents_and_no_others) {
  const auto& [timeout, retries, memory_limit, name, priority] =
      kin::task_options{1ns, 2, std::uint64_t{3}, std::string("four"), 5};
  EXPECT_EQ(timeout, 1ns);
  EXPECT_EQ(retries, 2u);
  EXPECT_EQ(memory_limit, 3u);
  EXPECT_EQ(name, "four");
  EXPECT_EQ(priority, 5);

  const auto& [chunk, window, progress, caller_takes_part, task] =
      kin::map_options{1, 2, [](std::size_t, std::size_t) {}, true, kin::task_options{.priority = 5}};
  EXPECT_EQ(chunk, 1u);
  EXPECT_EQ(window, 2u);
  EXPECT_TRUE(static_cast<bool>(progress));
  EXPECT_TRUE(caller_takes_part);
  EXPECT_EQ(task.priority, 5);

  const auto& [workers, initializer, max_tasks_per_worker, max_worker_memory, idle_timeout, max_pending, start,
               capture_stderr, on_worker_event, process] =
      kin::pool_options{1,
                        kin::bind(setup, "db"),
                        2,
                        std::uint64_t{3},
                        4ns,
                        5,
                        kin::start::fork,
                        true,
                        std::function<void(const kin::worker_event&)>([](const kin::worker_event&) {}),
                        kin::process_options{.name = "six"}};
  EXPECT_EQ(workers, 1u);
  EXPECT_TRUE(static_cast<bool>(initializer));
  EXPECT_EQ(max_tasks_per_worker, 2u);
  EXPECT_EQ(max_worker_memory, 3u);
  EXPECT_EQ(idle_timeout, 4ns);
  EXPECT_EQ(max_pending, 5u);
  EXPECT_TRUE(start == kin::start::fork);
  EXPECT_TRUE(capture_stderr);
  EXPECT_TRUE(static_cast<bool>(on_worker_event));
  EXPECT_EQ(process.name, "six");
}

TEST(api, a_pool_tells_of_its_workers_as_written) {
  std::vector<kin::worker_event> events;
  {
    kin::pool workers({.workers = 1, .on_worker_event = [&](const kin::worker_event& e) { events.push_back(e); }});
    workers.apply(f, 1);
  }
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].what, kin::worker_event::kind::started);
  EXPECT_GT(events[0].pid, 0);
}

TEST(api, a_task_finds_its_pool_as_written) {
  kin::pool workers(1);
  EXPECT_EQ(workers.apply(in_own_pool, 3), 9);
}

struct detached {
  struct promise_type {
    detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};
detached await(kin::future<int> x, std::promise<int>& out) {
  const int value = co_await x;
  out.set_value(value);
}

TEST(api, futures_are_awaited_as_written) {
  kin::pool workers(1);
  std::promise<int> got;
  await(workers.apply_async(f, 4), got);
  EXPECT_EQ(got.get_future().get(), 16);
}

TEST(api, thread_pools_are_used_as_written) {
  int local = 3;
  kin::thread_pool workers(2);
  EXPECT_EQ(workers.apply([&](int x) { return x + local; }, 4), 7);
  kin::future<int> x = workers.apply_async({.retries = 2}, f, 1);
  EXPECT_EQ(workers.map(f, numbers(3), {.chunk = 1, .caller_takes_part = true}), (std::vector{0, 1, 4}));
  EXPECT_EQ(workers.starmap(add, tuples), (std::vector{3, 7}));
  EXPECT_EQ(workers.map_async(f, {1, 2}).get(), (std::vector{1, 4}));
  EXPECT_EQ(workers.starmap_async(add, tuples).get(), (std::vector{3, 7}));
  int sum = 0;
  for (int v : workers.imap(f, std::views::iota(0), {.window = 4})) {
    if (v > 9) break;
    sum += v;
  }
  for (int v : workers.imap_unordered(f, numbers(4))) sum += v;
  EXPECT_EQ(sum, 28);
  EXPECT_EQ(x.get(), 1);
  (void)workers.stats();
  workers.close();
  workers.join();
  kin::thread_pool careful({.workers = 2, .initializer = kin::bind(setup, "db"), .max_tasks_per_worker = 100});
  EXPECT_EQ(careful.apply([] { return kin::current_pool().apply(f, 3); }), 9);
  careful.terminate(5s);
  careful.join();
}

}  // namespace
