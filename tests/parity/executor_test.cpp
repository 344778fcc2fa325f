// SPDX-License-Identifier: BSL-1.0
// What CPython's own tests ask of executors and their futures, asked of pools by every start method and of thread_pool.
#include <algorithm>
#include <map>
#include <mutex>
#include <numeric>
#include <ranges>
#include <set>

#include <kin/process.hpp>
#include <kin/queue.hpp>
#include <kin/semaphore.hpp>
#include <kin/thread_pool.hpp>
#include <kin/wait.hpp>

#include "parity/python_pool.hpp"

namespace kin_test {
namespace {

template <kin::start_method::kind Start>
struct processes {
  using pool = kin::pool;
  static kin::pool_options options(kin::count workers) {
    kin::pool_options o;
    o.workers = workers;
    o.start = method_of(static_cast<int>(Start));
    return o;
  }
};
struct threads {
  using pool = kin::thread_pool;
  static kin::pool_options options(kin::count workers) {
    kin::pool_options o;
    o.workers = workers;
    return o;
  }
};
using executors =
    testing::Types<processes<kin::start_method::kind::spawn>, processes<kin::start_method::kind::forkserver>,
                   processes<kin::start_method::kind::fork>, threads>;
struct executor_names {
  template <class T>
  static std::string GetName(int number) {
    static const char* const names[] = {"spawn", "forkserver", "fork", "threads"};
    return names[number];
  }
};

template <class Kind>
class python_executor : public testing::Test {
 protected:
  using pool = typename Kind::pool;
  static pool make(kin::count workers) { return pool(Kind::options(workers)); }
};
TYPED_TEST_SUITE(python_executor, executors, executor_names);

int pass(const kin::counting_semaphore& gate, int n) {
  gate.acquire();
  return n;
}
std::pair<int, int> divide(int a, int b) {
  if (b == 0) throw std::domain_error("division by zero");
  return {a / b, a % b};
}
int fails(const std::string& why) { throw std::domain_error(why); }

// --- submitting and mapping ------------------------------------------------------------------------------------------

TYPED_TEST(python_executor, gives_the_result_of_what_was_submitted) {
  auto workers = this->make(2);
  EXPECT_EQ(workers.apply_async(multiply, 16, 16).get(), 256);
}

TYPED_TEST(python_executor, maps_over_two_ranges_as_over_pairs) {
  auto workers = this->make(2);
  std::vector<std::pair<int, int>> pairs;
  std::vector<int> expected;
  for (int n = 0; n < 10; ++n) {
    pairs.emplace_back(n, n);
    expected.push_back(n * n);
  }
  for (const int chunk : {0, 1, 3, 6, 20}) EXPECT_EQ(workers.starmap(multiply, pairs, {.chunk = chunk}), expected);
}

TYPED_TEST(python_executor, gives_the_results_before_the_one_that_failed) {
  auto workers = this->make(2);
  std::vector<std::pair<int, int>> seen;
  try {
    for (const auto& each : workers.imap([](int b) { return divide(7, b); }, {2, 3, 0, 5})) seen.push_back(each);
    ADD_FAILURE() << "no exception";
  } catch (const std::domain_error& e) {
    EXPECT_STREQ(e.what(), "division by zero");
  }
  EXPECT_EQ(seen, (std::vector<std::pair<int, int>>{{3, 1}, {2, 1}}));
}

// --- workers ---------------------------------------------------------------------------------------------------------

TYPED_TEST(python_executor, has_no_more_workers_than_its_size_however_much_waits) {
  const kin::counting_semaphore gate(0);
  auto workers = this->make(3);
  std::vector<kin::future<int>> all;
  for (int i = 0; i < 45; ++i) all.push_back(workers.apply_async(pass, gate, i));
  EXPECT_LE(workers.stats().workers, 3u);
  EXPECT_LE(workers.stats().running, 3u);
  gate.release(45);
  for (int i = 0; i < 45; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i);
  EXPECT_LE(workers.stats().workers_started, 3u);
}

TYPED_TEST(python_executor, uses_an_idle_worker_again_before_it_starts_another) {
  auto workers = this->make(4);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(workers.apply(square, i), i * i);
    while (workers.stats().idle != 1) std::this_thread::yield();
  }
  EXPECT_EQ(workers.stats().workers_started, 1u);
}

TYPED_TEST(python_executor, takes_any_number_of_tasks_while_all_workers_are_busy) {
  const kin::counting_semaphore gate(0);
  auto workers = this->make(2);
  auto a = workers.apply_async(pass, gate, 1), b = workers.apply_async(pass, gate, 2);
  std::vector<kin::future<int>> all;
  for (int i = 0; i < 5000; ++i) all.push_back(workers.apply_async(square, i));
  gate.release(2);
  for (int i = 0; i < 5000; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i * i);
}

// --- shutting down ---------------------------------------------------------------------------------------------------

TYPED_TEST(python_executor, takes_nothing_after_the_close) {
  auto workers = this->make(2);
  workers.close();
  EXPECT_THROW((void)workers.apply_async(multiply, 2, 5), kin::closed_error);
  workers.join();
}

TYPED_TEST(python_executor, finishes_all_that_waited_when_it_was_closed) {
  auto workers = this->make(3);
  std::vector<kin::future<int>> all;
  for (int i = 0; i < 50; ++i) all.push_back(workers.apply_async(nap, 1));
  workers.close();
  workers.join();
  for (const auto& f : all) {
    EXPECT_TRUE(f.ready());
    EXPECT_TRUE(f.successful());
  }
}

TYPED_TEST(python_executor, closes_with_some_tasks_cancelled_and_the_others_done) {
  const kin::counting_semaphore gate(0);
  auto workers = this->make(2);
  std::vector<kin::future<int>> all;
  for (int i = 0; i < 50; ++i) all.push_back(workers.apply_async(pass, gate, i));
  int cancelled = 0;
  for (std::size_t i = 10; i < 50; ++i) cancelled += all[i].cancel();
  gate.release(50);
  workers.close();
  workers.join();
  EXPECT_EQ(cancelled, 40);
  for (std::size_t i = 0; i < 50; ++i)
    if (i < 10)
      EXPECT_EQ(all[i].get(), static_cast<int>(i));
    else
      EXPECT_THROW((void)all[i].get(), kin::cancelled_error);
}

TYPED_TEST(python_executor, closes_right_after_a_task_was_cancelled) {
  for (int round = 0; round < 10; ++round) {
    auto workers = this->make(1);
    EXPECT_EQ(workers.apply(square, 3), 9);
    auto f = workers.apply_async(square, 4);
    const bool cancelled = f.cancel();
    workers.close();
    workers.join();
    if (cancelled)
      EXPECT_THROW((void)f.get(), kin::cancelled_error);
    else
      EXPECT_EQ(f.get(), 16);
  }
}

TYPED_TEST(python_executor, does_not_keep_a_program_from_its_exit) {
  kin::process program([] {
    static auto* const workers = new typename TypeParam::pool(TypeParam::options(2));
    static auto* const running = new kin::queue<int>;
    static auto* const task = new auto(workers->apply_async(
        [](const kin::queue<int>& q) {
          q.put(1);
          return nap(60000);
        },
        *running));
    (void)task->wait_for(1ms);
    (void)running->get();
    std::exit(3);
  });
  EXPECT_TRUE(program.join_for(30s));
  EXPECT_EQ(program.exitcode(), 3);
}

TYPED_TEST(python_executor, refuses_what_an_exit_handler_submits_to_a_closed_pool) {
  kin::process program([] {
    static auto* const workers = new typename TypeParam::pool(TypeParam::options(2));
    std::atexit([] {
      try {
        (void)workers->apply_async(square, 1);
      } catch (const kin::closed_error&) {
        std::_Exit(8);
      }
    });
    workers->apply(square, 2);
    workers->close();
    workers->join();
    std::exit(0);
  });
  program.join();
  EXPECT_EQ(program.exitcode(), 8);
}

// --- futures ---------------------------------------------------------------------------------------------------------

TYPED_TEST(python_executor, calls_back_once_for_a_value_a_failure_and_a_cancellation) {
  const kin::counting_semaphore gate(0);
  std::mutex mutex;
  std::map<std::string, int> calls;
  const auto note = [&](const std::string& what) {
    const std::lock_guard hold(mutex);
    ++calls[what];
  };
  {
    auto workers = this->make(1);
    auto value = workers.apply_async(pass, gate, 5);
    auto failure = workers.apply_async(fails, "failure");
    auto cancelled = workers.apply_async(square, 5);
    value.then([&](int n) { note("value " + std::to_string(n)); }).on_error([&](const std::exception&) { note("no"); });
    failure.then([&](int) { note("no"); }).on_error([&](const std::exception& e) { note(e.what()); });
    cancelled.then([&](int) { note("no"); }).on_error([&](const std::exception& e) {
      note(dynamic_cast<const kin::cancelled_error*>(&e) ? "cancelled_error" : "no");
    });
    cancelled.when_ready([&] { note("cancelled"); });
    EXPECT_TRUE(cancelled.cancel());
    gate.release();
    value.wait();
    failure.wait();
    value.then([&](int) { note("value, late"); });
    failure.on_error([&](const std::exception&) { note("failure, late"); });
    cancelled.when_ready([&] { note("cancelled, late"); });
  }
  EXPECT_EQ(calls, (std::map<std::string, int>{{"value 5", 1},
                                               {"failure", 1},
                                               {"cancelled", 1},
                                               {"cancelled_error", 1},
                                               {"value, late", 1},
                                               {"failure, late", 1},
                                               {"cancelled, late", 1}}));
}

TYPED_TEST(python_executor, calls_the_next_callback_after_one_that_throws) {
  std::atomic<int> called{0};
  {
    auto workers = this->make(1);
    workers.apply_async(square, 1)
        .then([&](int) {
          ++called;
          throw std::runtime_error("in a callback");
        })
        .then([&](int) {
          ++called;
          throw 42;
        })
        .then([&](int) { ++called; });
  }
  EXPECT_EQ(called, 3);
}

TYPED_TEST(python_executor, cancels_what_waits_and_not_what_has_ended) {
  const kin::counting_semaphore gate(0);
  auto workers = this->make(1);
  auto runs = workers.apply_async(pass, gate, 1);
  auto waits = workers.apply_async(square, 2);
  EXPECT_TRUE(waits.cancel());
  EXPECT_FALSE(waits.cancel());
  EXPECT_TRUE(waits.ready());
  EXPECT_FALSE(waits.successful());
  EXPECT_THROW((void)waits.get(), kin::cancelled_error);
  EXPECT_THROW((void)waits.get_for(1s), kin::cancelled_error);
  gate.release();
  EXPECT_EQ(runs.get(), 1);
  EXPECT_FALSE(runs.cancel());
  EXPECT_TRUE(runs.successful());
}

TYPED_TEST(python_executor, gives_a_result_or_an_exception_as_often_as_it_is_asked) {
  auto workers = this->make(1);
  auto value = workers.apply_async(square, 3);
  auto failure = workers.apply_async(fails, "again");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(value.get(), 9);
    EXPECT_THROW((void)failure.get(), std::domain_error);
  }
}

// --- waiting for several ---------------------------------------------------------------------------------------------

TYPED_TEST(python_executor, waits_for_the_first_of_several) {
  const kin::counting_semaphore first(0), second(0);
  auto workers = this->make(2);
  auto a = workers.apply_async(pass, first, 1), b = workers.apply_async(pass, second, 2);
  EXPECT_TRUE(kin::wait({a, b}, 0ms).empty());
  first.release();
  auto ready = kin::wait({a, b}, 60s);
  EXPECT_TRUE(ready.contains(a));
  EXPECT_FALSE(ready.contains(b));
  ready = kin::wait({a, b}, 60s);  // some are ready already
  EXPECT_TRUE(ready.contains(a));
  second.release();
  EXPECT_EQ(b.get(), 2);
  EXPECT_EQ(kin::wait({a, b}, 0s).size(), 2u);
}

TYPED_TEST(python_executor, waits_for_all_whether_they_succeed_fail_or_are_cancelled) {
  const kin::counting_semaphore gate(0);
  auto workers = this->make(1);
  auto value = workers.apply_async(pass, gate, 1), failure = workers.apply_async(fails, "x"),
       cancelled = workers.apply_async(square, 1);
  auto all = kin::when_all(value, failure, cancelled);
  EXPECT_FALSE(all.wait_for(1ms));
  EXPECT_TRUE(cancelled.cancel());
  EXPECT_FALSE(all.wait_for(1ms));
  gate.release();
  EXPECT_TRUE(all.wait_for(60s));
  EXPECT_TRUE(value.ready() && failure.ready() && cancelled.ready());
  EXPECT_THROW((void)all.get(), std::domain_error);  // the first, in the order given
}

TYPED_TEST(python_executor, gives_futures_as_they_are_completed) {
  const kin::counting_semaphore gate(0);
  auto workers = this->make(2);
  auto slow = workers.apply_async(pass, gate, 100);
  auto ended = workers.apply_async(square, 1);
  auto failed = workers.apply_async(fails, "x");
  ended.wait();
  std::vector<std::string> seen;
  // One of them twice: it is given twice.
  for (const auto& f : kin::as_completed(std::vector{slow, ended, failed, ended})) {
    try {
      seen.push_back(std::to_string(f.get()));
    } catch (const std::domain_error& e) {
      seen.emplace_back(e.what());
    }
    if (seen.size() == 3) gate.release();
  }
  EXPECT_EQ(seen.size(), 4u);
  EXPECT_EQ(seen.back(), "100");
  EXPECT_THAT(seen, testing::UnorderedElementsAre("1", "1", "x", "100"));
  for (const auto& f : kin::as_completed(std::vector<kin::future<int>>{})) (void)f;
}

TYPED_TEST(python_executor, serves_threads_that_wait_and_complete_at_once) {
  auto workers = this->make(4);
  EXPECT_EQ(workers.apply(square, 1), 1);  // one worker at least is there: beside threads of ours, fork refuses
  std::vector<std::thread> waiting;
  std::atomic<int> right{0};
  for (int t = 0; t < 8; ++t)
    waiting.emplace_back([&, t] {
      std::vector<kin::future<int>> mine;
      for (int i = 0; i < 20; ++i) mine.push_back(workers.apply_async(square, t * 100 + i));
      for (int i = 0; i < 20; ++i) right += mine[static_cast<std::size_t>(i)].get() == (t * 100 + i) * (t * 100 + i);
    });
  for (auto& t : waiting) t.join();
  EXPECT_EQ(right, 160);
}

// --- initializers ----------------------------------------------------------------------------------------------------

TYPED_TEST(python_executor, runs_its_initializer_in_each_worker) {
  const kin::queue<int> initialized;
  auto o = TypeParam::options(3);
  o.initializer = kin::bind([](const kin::queue<int>& q) { q.put(1); }, initialized);
  typename TypeParam::pool workers(std::move(o));
  workers.map(nap, std::vector<int>(12, 5), {.chunk = 1});
  workers.close();
  workers.join();
  EXPECT_EQ(initialized.size(), workers.stats().workers_started);
}

TYPED_TEST(python_executor, fails_what_waits_and_what_comes_when_its_initializer_fails) {
  auto o = TypeParam::options(2);
  o.initializer = kin::bind([] { throw std::domain_error("no start"); });
  typename TypeParam::pool workers(std::move(o));
  auto a = workers.apply_async(square, 1), b = workers.apply_async(square, 2);
  EXPECT_THAT(failure_of(a), testing::AllOf(testing::StartsWith("start_error"), HasSubstr("no start")));
  EXPECT_THAT(failure_of(b), testing::StartsWith("start_error"));
  EXPECT_THAT(failure_of(workers.apply_async(square, 3)), testing::StartsWith("start_error"));
}

}  // namespace
}  // namespace kin_test
