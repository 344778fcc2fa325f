// SPDX-License-Identifier: BSL-1.0
// What thread_pool has of its own beside the contract of any pool (any_pool_contract.hpp): closures, the very objects
// of this process, and what threads cannot keep.
#include <pthread.h>

#include <barrier>
#include <condition_variable>
#include <iterator>
#include <list>
#include <memory>
#include <mutex>
#include <numeric>
#include <ranges>
#include <thread>
#include <tuple>
#include <vector>

#include <kin/thread_pool.hpp>

#include "contracts/pool_contract.hpp"

namespace kin_test {
namespace {

/// Opens once; tasks wait before it.
class door {
 public:
  void open() {
    const std::lock_guard hold(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock hold(mutex_);
    changed_.wait(hold, [&] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

TEST(thread_pool, gives_the_value_of_a_closure_of_this_process) {
  kin::thread_pool workers(2);
  int here = 5;
  EXPECT_EQ(workers.apply(square, 7), 49);
  EXPECT_EQ(workers.apply([&here](int n) { return here += n; }, 2), 7);
  EXPECT_EQ(here, 7);
  workers.apply([](int& n) { n = 9; }, std::ref(here));
  EXPECT_EQ(here, 9);
  EXPECT_EQ(workers.apply([](int* p) { return p; }, &here), &here);
  EXPECT_EQ(workers.apply([](const std::string& s) { return s + "!"; }, "é"), "é!");
  auto box = std::make_unique<int>(3);
  EXPECT_EQ(workers.apply([b = std::move(box)](std::unique_ptr<int> c) { return *b + *c; }, std::make_unique<int>(4)),
            7);
  static_assert(std::is_void_v<decltype(workers.apply([] {}))>);
  EXPECT_EQ(workers.apply(own_pid), ::getpid());
  EXPECT_NE(workers.apply([] { return std::this_thread::get_id(); }), std::this_thread::get_id());
}

TEST(thread_pool, rethrows_the_very_object_that_was_thrown) {
  struct local_error : std::runtime_error {
    using std::runtime_error::runtime_error;
    int extra = 3;
  };
  kin::thread_pool workers(1);
  try {
    workers.apply([] { throw local_error("mine"); });
    FAIL();
  } catch (const local_error& e) {
    EXPECT_EQ(e.extra, 3);
    EXPECT_STREQ(e.what(), "mine");
    EXPECT_EQ(dynamic_cast<const kin::remote_info*>(&e), nullptr);
  }
  EXPECT_THROW(workers.apply([] { throw 42; }), int);
}

TEST(thread_pool, maps_any_range_in_order) {
  kin::thread_pool workers(3);
  std::vector<int> in(500);
  std::iota(in.begin(), in.end(), 0);
  const auto out = workers.map(square, in);
  ASSERT_EQ(out.size(), in.size());
  for (int i : in) EXPECT_EQ(out[static_cast<std::size_t>(i)], i * i);
  EXPECT_EQ(workers.map(square, in, {.chunk = 7, .caller_takes_part = true}), out);
  EXPECT_EQ(workers.map(square, std::list<int>{1, 2}), (std::vector<int>{1, 4}));
  EXPECT_EQ(workers.map(square, {1, 2}), (std::vector<int>{1, 4}));
  EXPECT_EQ(workers.map([](int n) { return n > 1; }, {1, 2}), (std::vector<bool>{false, true}));
  EXPECT_EQ(workers.map([](bool b) { return !b; }, {true, false}), (std::vector<bool>{false, true}));
  EXPECT_EQ(workers.starmap([](int a, int b) { return a - b; }, {std::pair(3, 1), std::pair(9, 4)}),
            (std::vector<int>{2, 5}));
  EXPECT_EQ(workers.map_async(square, in).get(), out);
  auto boxes = workers.map([](int n) { return std::make_unique<int>(n); }, std::views::iota(0, 5));
  EXPECT_EQ(*boxes.at(4), 4);
  std::atomic<int> sum{0};
  workers.map([&sum](int n) { sum += n; }, in);
  EXPECT_EQ(sum, 499 * 500 / 2);
  EXPECT_THROW(workers.map(
                   [](int n) {
                     if (n == 2) throw std::out_of_range("two");
                   },
                   {1, 2, 3}),
               std::out_of_range);
}

TEST(thread_pool, takes_containers_of_what_can_only_be_moved) {
  kin::thread_pool workers(2);
  const auto boxes = [] {
    std::vector<std::unique_ptr<int>> some;
    some.push_back(std::make_unique<int>(5));
    return some;
  };
  const auto first = [](const std::vector<std::unique_ptr<int>>& some) { return *some[0]; };
  EXPECT_EQ(workers.apply(first, boxes()), 5);
  EXPECT_EQ(workers.apply([mine = boxes()] { return *mine[0]; }), 5);
  auto items = boxes();
  EXPECT_EQ(
      workers.map([](std::unique_ptr<int> item) { return *item; },
                  std::ranges::subrange(std::make_move_iterator(items.begin()), std::make_move_iterator(items.end()))),
      std::vector<int>{5});
  const auto both = kin::when_all(workers.apply_async(boxes), workers.apply_async([] { return 1; }));
  EXPECT_EQ(first(std::get<0>(both.get())), 5);
}

TEST(thread_pool, starts_another_thread_for_tasks_that_came_before_an_idle_one_woke) {
  for (int round = 0; round < 100; ++round) {
    kin::thread_pool workers(2);
    workers.apply(square, 1);
    while (workers.stats().idle == 0) std::this_thread::yield();
    std::barrier meet(2);
    const auto a = workers.apply_async([&] { meet.arrive_and_wait(); });
    const auto b = workers.apply_async([&] { meet.arrive_and_wait(); });
    if (a.wait_for(30s) && b.wait_for(30s)) continue;
    meet.arrive_and_drop();
    FAIL() << "one thread for two tasks that wait for each other";
  }
}

TEST(thread_pool, cancels_what_waits_and_never_what_runs) {
  kin::thread_pool workers(1);
  door started, gate;
  std::atomic<bool> ran{false};
  auto running = workers.apply_async([&] {
    started.open();
    gate.pass();
    return 1;
  });
  started.pass();
  auto waiting = workers.apply_async([&] { ran = true; });
  EXPECT_TRUE(waiting.cancel());
  EXPECT_FALSE(waiting.cancel());
  EXPECT_FALSE(running.cancel());
  EXPECT_THAT(failure_of(waiting), testing::StartsWith("cancelled_error"));
  gate.open();
  EXPECT_EQ(running.get(), 1);
  EXPECT_FALSE(running.cancel());
  workers.apply([] {});
  EXPECT_FALSE(ran);
}

struct please_again : kin::retryable {
  using kin::retryable::retryable;
};

TEST(thread_pool, retries_what_is_retryable_with_fresh_copies) {
  kin::thread_pool workers(2);
  std::atomic<int> attempts{0};
  const auto flaky = [&](std::string s) {  // NOLINT(performance-unnecessary-value-param): moved into
    std::string mine = std::move(s);
    if (++attempts < 3) throw please_again("again");
    return mine;
  };
  EXPECT_EQ(workers.apply({.retries = 5}, flaky, "whole"), "whole");
  EXPECT_EQ(attempts, 3);
  EXPECT_EQ(workers.stats().retried, 2u);
  attempts = 0;
  EXPECT_THROW(workers.apply({.retries = 1}, flaky, "x"), please_again);
  EXPECT_EQ(attempts, 2);
  attempts = 0;
  EXPECT_THROW(workers.apply({.retries = 5},
                             [&] {
                               ++attempts;
                               throw std::runtime_error("not retryable");
                             }),
               std::runtime_error);
  EXPECT_EQ(attempts, 1);
}

TEST(thread_pool, refuses_what_threads_cannot_keep) {
  const auto refused = [](auto f, const char* why) {
    try {
      f();
      ADD_FAILURE() << why;
    } catch (const std::invalid_argument& e) {
      EXPECT_THAT(e.what(), testing::AllOf(HasSubstr("thread_pool cannot keep"), HasSubstr(why)));
    }
  };
  kin::thread_pool workers(1);
  refused([&] { workers.apply({.timeout = 1s}, square, 1); }, "timeout");
  refused([&] { workers.apply({.memory_limit = 1000}, square, 1); }, "memory_limit");
  refused([&] { workers.map(square, {1}, {.task = {.timeout = 1s}}); }, "timeout");
  refused(
      [&] {
        workers.apply(
            {.retries = 1}, [](std::unique_ptr<int>) {}, std::make_unique<int>(1));
      },
      "retries");
  refused([] { kin::thread_pool p({.max_worker_memory = 1}); }, "max_worker_memory");
  refused([] { kin::thread_pool p({.start = kin::start::fork}); }, "start");
  refused([] { kin::thread_pool p({.capture_stderr = true}); }, "capture_stderr");
  refused(
      [] {
        kin::pool_options o;
        o.process.working_directory = "/";
        kin::thread_pool p(std::move(o));
      },
      "process");
  const auto refused_process = [&](kin::process_options options) {
    refused(
        [&] {
          kin::pool_options o;
          o.process = std::move(options);
          kin::thread_pool p(std::move(o));
        },
        "process");
  };
  refused_process({.start = kin::start::fork});
  refused_process({.out = kin::redirect::null()});
  refused_process({.err = kin::redirect::null()});
  refused_process({.limits = {.open_files = 100}});
  EXPECT_EQ(workers.apply(square, 3), 9);
}

TEST(thread_pool, replaces_threads_and_lets_idle_ones_go) {
  {
    kin::thread_pool patient({.workers = 1, .idle_timeout = std::chrono::nanoseconds::max()});
    for (int i = 0; i < 20; ++i) patient.apply(square, i);
    EXPECT_EQ(patient.stats().workers_started, 1U);
  }
  kin::thread_pool workers({.workers = 2, .max_tasks_per_worker = 3, .idle_timeout = 5ms});
  for (int i = 0; i < 30; ++i) EXPECT_EQ(workers.apply(square, i), i * i);
  EXPECT_GE(workers.stats().workers_started, 10u);
  const auto start = clock::now();
  while (workers.stats().workers > 0 && ms_since(start) < 20000) std::this_thread::yield();
  EXPECT_EQ(workers.stats().workers, 0u);
  EXPECT_EQ(workers.apply(square, 2), 4);
}

TEST(thread_pool, makes_submitters_wait_while_too_much_is_pending) {
  kin::thread_pool workers({.workers = 1, .max_pending = 2});
  door gate;
  std::atomic<int> submitted{0};
  std::vector<kin::future<void>> all{workers.apply_async([&] { gate.pass(); })};
  while (workers.stats().running == 0) std::this_thread::yield();
  std::thread submitter([&] {
    for (int i = 0; i < 6; ++i) {
      workers.apply_async([] {});
      ++submitted;
    }
  });
  while (submitted < 2) std::this_thread::yield();
  EXPECT_EQ(workers.stats().pending, 2u);
  gate.open();
  submitter.join();
  workers.close();
  workers.join();
  EXPECT_EQ(workers.stats().completed, 7u);
}

TEST(thread_pool, makes_way_for_a_callback_that_a_task_waits_for) {
  kin::thread_pool workers(1);
  EXPECT_EQ(workers.apply([&] {
    auto inner = workers.apply_async([] { return std::make_unique<int>(3); }).then([&](const std::unique_ptr<int>&) {
      workers.apply([] {});
    });
    return *std::move(inner).get();
  }),
            3);
}

// Asks the pool when it goes, as the owner of something that tasks work on may.
struct uses_the_pool {
  explicit uses_the_pool(const kin::thread_pool& p) : pool(&p) {}
  uses_the_pool(uses_the_pool&& other) noexcept : pool(std::exchange(other.pool, nullptr)) {}
  uses_the_pool& operator=(uses_the_pool&& other) noexcept {
    std::swap(pool, other.pool);
    return *this;
  }
  ~uses_the_pool() {
    if (pool == nullptr) return;
    (void)pool->stats();
    ++gone;
  }
  const kin::thread_pool* pool;
  static inline std::atomic<int> gone = 0;
};

TEST(thread_pool, is_free_while_what_tasks_have_made_or_captured_is_destroyed) {
  uses_the_pool::gone = 0;
  {
    kin::thread_pool workers(2);
    (void)workers.map_async([&](int) { return uses_the_pool(workers); }, std::vector<int>(20, 1));
    std::vector<kin::future<uses_the_pool>> all;
    for (int i = 0; i < 4; ++i) all.push_back(workers.apply_async([&] { return uses_the_pool(workers); }));
    (void)kin::when_all(all);
    all.clear();
    workers.close();
    workers.join();
  }
  EXPECT_EQ(uses_the_pool::gone, 24);
  {
    kin::thread_pool workers(1);
    door gate;
    auto runs = workers.apply_async([&] { gate.pass(); });
    while (workers.stats().running == 0) std::this_thread::yield();
    (void)workers.apply_async([captured = std::make_shared<uses_the_pool>(workers)] {});
    workers.terminate();
    EXPECT_EQ(uses_the_pool::gone, 25);
    gate.open();
    workers.join();
  }
}

// The pool with what is given, and ended when a thread of it says that all is over.
struct last_handle {
  explicit last_handle(std::size_t threads)
      : over(std::make_shared<door>()),
        pool(std::make_shared<kin::thread_pool>(
            kin::pool_options{.workers = threads, .on_worker_event = [d = over](const kin::worker_event& e) {
                                if (e.what == kin::worker_event::kind::retired) d->open();
                              }})) {}
  std::shared_ptr<door> over;
  std::shared_ptr<kin::thread_pool> pool;
};

TEST(thread_pool, ends_when_its_last_handle_goes_in_a_thread_of_its_own) {
  {  // in a task
    last_handle mine(1);
    auto& pool = mine.pool;
    auto f = pool->apply_async([&pool] { pool.reset(); });
    f.wait();
    mine.over->pass();
  }
  {  // with a closure, or a result that nobody wants
    last_handle mine(1);
    door gate;
    (void)mine.pool->apply_async([pool = mine.pool, &gate] {
      gate.pass();
      return pool;
    });
    mine.pool.reset();
    gate.open();
    mine.over->pass();
  }
  {  // with an exception, after another attempt
    last_handle mine(1);
    struct holds_it : kin::retryable {
      explicit holds_it(std::shared_ptr<kin::thread_pool> p) : kin::retryable("again"), pool(std::move(p)) {}
      std::shared_ptr<kin::thread_pool> pool;
    };
    door gate;
    (void)mine.pool->apply_async({.retries = 1}, [pool = mine.pool, &gate] {
      gate.pass();
      throw holds_it(pool);
    });
    mine.pool.reset();
    gate.open();
    mine.over->pass();
  }
}

TEST(thread_pool, ends_when_its_last_handle_goes_in_a_task_that_its_caller_runs) {
  last_handle mine(1);
  door gate;
  const std::weak_ptr<kin::thread_pool> seen = mine.pool;
  auto runs = mine.pool->apply_async([&gate] { gate.pass(); });
  while (mine.pool->stats().running == 0) std::this_thread::yield();
  // Of a task that waits, by the thread that waits for it.
  auto outer = mine.pool->apply_async([pool = std::move(mine.pool)]() mutable { pool.reset(); });
  gate.open();
  outer.wait();
  mine.over->pass();
  EXPECT_TRUE(seen.expired());
}

TEST(thread_pool, fails_what_waits_when_the_initializer_begins_to_throw) {
  static std::atomic<int> starts;
  starts = 0;
  kin::thread_pool workers({.workers = 2,
                            .initializer = kin::bind([] {
                              if (++starts > 1) throw std::runtime_error("only once");
                            }),
                            .max_tasks_per_worker = 5});
  const kin::event go_on;
  std::vector<kin::future<void>> all;
  for (int i = 0; i < 20; ++i) all.push_back(workers.apply_async([go_on] { go_on.wait(); }));
  while (starts < 4) std::this_thread::yield();
  go_on.set();
  int done = 0, failed = 0;
  for (const auto& f : all) try {
      f.get();
      ++done;
    } catch (const kin::start_error&) {
      ++failed;
    }
  EXPECT_EQ(done, 5);
  EXPECT_EQ(failed, 15);
}

TEST(thread_pool, fails_the_tasks_of_a_waiting_task_when_no_thread_can_be_had_for_them) {
  static std::atomic<int> starts;
  starts = 0;
  kin::thread_pool workers({.workers = 1, .initializer = kin::bind([] {
                                            if (++starts > 1) throw std::runtime_error("only once");
                                          })});
  auto outer = workers.apply_async([&] { return workers.apply([] { return 1; }); });
  EXPECT_THROW((void)outer.get(), kin::start_error);
}

TEST(thread_pool, fails_what_waits_when_the_initializer_throws) {
  kin::thread_pool workers({.workers = 2, .initializer = kin::bind([] { throw std::runtime_error("no database"); })});
  std::vector<kin::future<int>> all;
  for (int i = 0; i < 8; ++i) all.push_back(workers.apply_async(square, i));
  for (const auto& f : all)
    EXPECT_THAT(failure_of(f), testing::AllOf(testing::StartsWith("start_error"), HasSubstr("no database")));
  EXPECT_THAT(failure_of(workers.apply_async(square, 1)), testing::StartsWith("start_error"));
}

TEST(thread_pool, calls_back_on_one_thread_and_survives_what_callbacks_do) {
  std::vector<std::string> log;
  door submitted;
  {
    kin::thread_pool workers(1);
    workers.apply_async(square, 3)
        .then([&](const int& v) { log.push_back("then " + std::to_string(v)); })
        .then([](int) { throw 42; })
        .then([&](int) { log.push_back(std::to_string(workers.apply(square, 5))); })
        .then([&](int) { submitted.open(); });
    submitted.pass();
    workers.apply_async([] { throw std::runtime_error("no"); }).on_error([&](const std::exception& e) {
      log.emplace_back(e.what());
    });
  }
  EXPECT_THAT(log, testing::ElementsAre("then 9", "25", "no"));
}

TEST(thread_pool, fails_its_futures_at_once_when_it_is_terminated_or_unwound) {
  door gate, started;
  kin::future<void> running, waiting;
  std::thread opener;
  EXPECT_THROW(
      {
        kin::thread_pool workers(1);
        running = workers.apply_async([&] {
          started.open();
          gate.pass();
        });
        waiting = workers.apply_async([] {});
        started.pass();
        opener = std::thread([&] {
          running.wait();
          gate.open();
        });
        throw std::runtime_error("unwind");
      },
      std::runtime_error);
  opener.join();
  EXPECT_THAT(failure_of(running), testing::StartsWith("cancelled_error"));
  EXPECT_THAT(failure_of(waiting), testing::StartsWith("cancelled_error"));
}

TEST(thread_pool, survives_a_task_that_ends_its_thread) {
  kin::thread_pool workers(1);
  auto f = workers.apply_async([] { ::pthread_exit(nullptr); });
  EXPECT_THAT(failure_of(f), HasSubstr("ended its thread"));
  EXPECT_EQ(workers.apply(square, 2), 4);
}

}  // namespace
}  // namespace kin_test
