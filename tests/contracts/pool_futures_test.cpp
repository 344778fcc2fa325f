// SPDX-License-Identifier: BSL-1.0
// Futures and their callbacks, several at once, and coroutines (promises 6 and 9).
#include <coroutine>
#include <mutex>
#include <ranges>
#include <set>
#include <sstream>

#include <kin/wait.hpp>

#include "contracts/pool_contract.hpp"

namespace kin_test {
namespace {
class pool_futures : public pool_contract {};
KIN_POOL_CONTRACT(pool_futures);

TEST_P(pool_futures, call_back_in_order_on_one_thread_of_their_own) {
  std::vector<std::string> log;
  std::set<std::thread::id> threads;
  const auto write = [&](const std::string& what) {
    threads.insert(std::this_thread::get_id());
    log.push_back(what);
  };
  {
    kin::pool workers(options(1));
    workers.apply_async(square, 3)
        .then([&](const int& v) { write("then " + std::to_string(v)); })
        .on_error([&](const std::exception&) { write("wrong"); })
        .when_ready([&] { write("ready"); });
    workers.apply_async([] { throw std::runtime_error("no"); })
        .then([&] { write("wrong"); })
        .on_error([&](const std::exception& e) { write(std::string("error ") + e.what()); })
        .on_error([&](const std::exception_ptr& e) { write(e ? "pointer" : "wrong"); })
        .on_error([&] { write("bare"); });
    auto f = workers.apply_async(square, 4);
    f.wait();
    f.then([&](int v) { write("late " + std::to_string(v)); });
  }
  EXPECT_THAT(log, testing::ElementsAre("then 9", "ready", "error no", "pointer", "bare", "late 16"));
  EXPECT_EQ(threads.size(), 1u);
  EXPECT_FALSE(threads.contains(std::this_thread::get_id()));
}

TEST_P(pool_futures, survive_callbacks_that_throw_submit_block_and_wait) {
  std::atomic<int> sum{0};
  {
    kin::pool workers(options(1));
    workers.apply_async(square, 1).then([](int) { throw 42; }).then([](int) { throw std::runtime_error("x"); });
    workers.apply_async(square, 2).then([&](int v) {
      sum += v;
      sum += workers.apply(square, 3);
      std::this_thread::sleep_for(20ms);
    });
    auto last = workers.apply_async(square, 4).then([&](int v) { sum += v; });
    EXPECT_EQ(last.get(), 16);
    const auto start = clock::now();
    while (sum != 4 + 9 + 16 && ms_since(start) < 20000) std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(sum, 4 + 9 + 16);
}

TEST_P(pool_futures, let_a_callback_close_or_destroy_the_pool) {
  std::atomic<bool> done{false};
  auto workers = std::make_unique<kin::pool>(options(1));
  workers->apply_async(square, 1).then([&](int) {
    workers->close();
    workers->join();
    workers.reset();
    done = true;
  });
  const auto start = clock::now();
  while (!done && ms_since(start) < 20000) std::this_thread::sleep_for(1ms);
  EXPECT_TRUE(done);
}

TEST_P(pool_futures, may_be_dropped_and_may_outlive_their_pool) {
  kin::future<std::string> kept;
  std::atomic<int> calls{0};
  {
    kin::pool workers(options(1));
    workers.apply_async(square, 1).when_ready([&] { ++calls; });
    kept = workers.apply_async([] { return std::string("kept"); });
  }
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(kept.get(), "kept");
  EXPECT_EQ(kept.get(), "kept");
  EXPECT_FALSE(kept.cancel());
  kept.then([&](const std::string&) { ++calls; });
  EXPECT_EQ(std::move(kept).get(), "kept");
  EXPECT_FALSE(kept.valid());  // NOLINT(bugprone-use-after-move)
  EXPECT_THROW((void)kept.ready(), std::logic_error);
  const auto start = clock::now();
  while (calls < 2 && ms_since(start) < 20000) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(calls, 2);
}

TEST_P(pool_futures, can_be_waited_for_beside_other_things) {
  kin::pool workers(options(1));
  const kin::event looked;
  auto slow = workers.apply_async(wait_for, looked);
  EXPECT_TRUE(kin::wait({slow}, 1ms).empty());
  looked.set();
  const auto ready = kin::wait({slow}, 60s);
  EXPECT_TRUE(ready.contains(slow));
  EXPECT_TRUE(slow.ready());
  EXPECT_TRUE(kin::wait({slow}, 0ms).contains(slow));
  auto ended = workers.apply_async(square, 1);
  ended.wait();
  EXPECT_TRUE(kin::wait({ended}, 0ms).contains(ended));
}

struct fire {
  struct promise_type {
    fire get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};
fire add(kin::future<int> a, kin::future<int> b, kin::future<void> bad, std::atomic<int>& sum) {
  const int x = co_await a;
  const int y = co_await b;
  try {
    co_await bad;
  } catch (const std::out_of_range&) {
    sum = x + y;
  }
}
// g++ 12 destroys an aggregate twice that is made in a co_await expression, be it as a default argument.
fire map_and_starmap(kin::pool& workers, std::vector<std::string>& got, std::atomic<bool>& done) {
  const std::vector<std::string> words{"a", "b"};
  for (auto& word : co_await workers.map_async([](const std::string& s) { return s + "!"; }, words))
    got.push_back(std::move(word));
  const std::vector<std::pair<std::string, int>> pairs{{"c", 1}};
  for (auto& word :
       co_await workers.starmap_async([](const std::string& s, int n) { return s + char('0' + n); }, pairs))
    got.push_back(std::move(word));
  done = true;
  done.notify_one();
}
TEST_P(pool_futures, of_maps_can_be_awaited_where_they_are_made) {
  std::vector<std::string> got;
  std::atomic<bool> done = false;
  kin::pool workers(options(2));
  map_and_starmap(workers, got, done);
  done.wait(false);
  EXPECT_EQ(got, (std::vector<std::string>{"a!", "b!", "c1"}));
}

TEST_P(pool_futures, can_be_awaited) {
  std::atomic<int> sum{0};
  {
    kin::pool workers(options(2));
    add(workers.apply_async(square, 3), workers.apply_async(square, 4),
        workers.apply_async([] { throw std::out_of_range("x"); }), sum);
    workers.close();
    workers.join();
    const auto start = clock::now();
    while (sum == 0 && ms_since(start) < 20000) std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(sum, 25);
}

TEST_P(pool_futures, map_asynchronously) {
  kin::pool workers(options(2));
  std::atomic<std::size_t> told{0};
  auto squares = workers.map_async(square, std::views::iota(0, 50),
                                   {.progress = [&](std::size_t done, std::size_t) { told = done; }});
  static_assert(std::is_same_v<decltype(squares), kin::future<std::vector<int>>>);
  auto none = workers.map_async(square, std::vector<int>{});
  auto sums = workers.starmap_async([](int a, int b) { return a + b; }, {std::pair(1, 2), std::pair(3, 4)});
  auto nothing = workers.map_async([](int) {}, {1, 2});
  static_assert(std::is_same_v<decltype(nothing), kin::future<void>>);
  EXPECT_EQ(squares.get().at(49), 49 * 49);
  EXPECT_EQ(squares.get().size(), 50u);
  EXPECT_TRUE(squares.successful());
  EXPECT_TRUE(none.get().empty());
  EXPECT_EQ(sums.get(), (std::vector<int>{3, 7}));
  nothing.get();
  auto bad = workers.map_async([](int n) { return n == 2 ? throw std::out_of_range("two") : n; }, {1, 2, 3});
  std::atomic<bool> failed{false};
  bad.on_error([&] { failed = true; });
  EXPECT_THROW(bad.get(), std::out_of_range);
  EXPECT_FALSE(bad.successful());
  auto long_one = workers.map_async(nap, {60000, 60000, 60000}, {.chunk = 1});
  std::this_thread::sleep_for(20ms);
  EXPECT_TRUE(long_one.cancel());
  EXPECT_THROW(long_one.get(), kin::cancelled_error);
  workers.close();
  workers.join();
  EXPECT_TRUE(failed);
  EXPECT_EQ(told, 50u);
}

TEST_P(pool_futures, can_be_gathered_in_one_or_taken_as_they_end) {
  kin::pool workers(options(2));
  auto a = workers.apply_async(square, 3);
  auto b = workers.apply_async([] { return std::string("b"); });
  auto c = workers.apply_async([] {});
  auto all = kin::when_all(a, b, c);
  const auto& [x, y, z] = all.get();
  EXPECT_EQ(x, 9);
  EXPECT_EQ(y, "b");
  (void)z;
  std::vector<kin::future<int>> many;
  for (int i = 0; i < 10; ++i) many.push_back(workers.apply_async(square, i));
  EXPECT_EQ(kin::when_all(many).get().at(9), 81);
  auto bad = kin::when_all(a, workers.apply_async([] { throw std::domain_error("x"); }));
  EXPECT_THROW(bad.get(), std::domain_error);

  const kin::event second_taken;
  std::vector<kin::future<int>> both{workers.apply_async([](const kin::event& e) { return e.wait(), 1; }, second_taken),
                                     workers.apply_async([] { return 2; })};
  std::vector<int> order;
  for (const auto& f : kin::as_completed(both)) {
    order.push_back(f.get());
    second_taken.set();
  }
  EXPECT_EQ(order, (std::vector<int>{2, 1}));
  for (const auto& f : kin::as_completed(std::vector<kin::future<int>>{})) (void)f;
}

TEST_P(pool_futures, let_the_caller_of_a_map_take_part) {
  kin::pool workers(options(1));
  workers.apply(square, 1);
  // Neither goes on before the other one has begun an item.
  const kin::event caller_has_one, worker_has_one;
  const auto meet = kin::bind(
      [](const kin::event& at_caller, const kin::event& at_worker, int caller, int) {
        const bool is_caller = ::getpid() == caller;
        (is_caller ? at_caller : at_worker).set();
        return wait_for(is_caller ? at_worker : at_caller);
      },
      caller_has_one, worker_has_one, static_cast<int>(::getpid()));
  const auto pids = workers.map(meet, std::vector<int>(20), {.chunk = 1, .caller_takes_part = true});
  const std::set<int> different(pids.begin(), pids.end());
  EXPECT_EQ(different.size(), 2u);
  EXPECT_TRUE(different.contains(::getpid()));
  EXPECT_THROW(workers.map([](int) { throw std::out_of_range("x"); }, {1, 2}, {.caller_takes_part = true}),
               std::out_of_range);
  EXPECT_EQ(workers.map(square, std::views::iota(0, 100), {.caller_takes_part = true}).at(99), 9801);
}

}  // namespace
}  // namespace kin_test
