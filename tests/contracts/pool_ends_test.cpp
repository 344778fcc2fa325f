// SPDX-License-Identifier: BSL-1.0
// Promise 10: close, join, terminate, destruction and unwinding; each is done soon and leaves nothing, whatever the
// workers.
#include <fcntl.h>
#include <sys/wait.h>

#include <future>
#include <random>
#include <thread>

#include <kin/event.hpp>
#include <kin/process.hpp>

#include "contracts/any_pool_contract.hpp"
#include "os/gate.hpp"

namespace kin_test {
namespace {
class pool_ends : public any_pool_contract {};
KIN_ANY_POOL_CONTRACT(pool_ends);
class process_pool_ends : public pool_contract {};
KIN_POOL_CONTRACT(process_pool_ends);
class long_pool_ends : public pool_contract {};
KIN_POOL_CONTRACT(long_pool_ends);

KIN_ANY_POOL_TEST(pool_ends, finishes_what_was_submitted_when_it_is_destroyed) {
  std::vector<kin::future<int>> all;
  {
    Pool workers(options(2));
    for (int i = 0; i < 50; ++i) all.push_back(workers.apply_async(square, i));
  }
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(all[static_cast<std::size_t>(i)].ready());
    EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i * i);
  }
}

TEST_P(process_pool_ends, ends_at_once_when_an_exception_unwinds_the_stack) {
  const auto start = clock::now();
  kin::future<int> f;
  EXPECT_THROW(
      {
        kin::pool workers(options(1));
        f = workers.apply_async(nap, 60000);
        throw std::runtime_error("unwind");
      },
      std::runtime_error);
  EXPECT_LT(ms_since(start), 2000 * patience);
  EXPECT_THAT(failure_of(f), testing::StartsWith("cancelled_error"));
}

TEST_P(process_pool_ends, ends_at_once_by_a_later_exception_than_it_was_made_beside) {
  const auto start = clock::now();
  std::optional<kin::pool> made;
  struct maker {
    std::optional<kin::pool>* made;
    kin::pool_options with;
    ~maker() { made->emplace(with); }
  };
  try {
    const maker m{&made, options(1)};
    throw std::runtime_error("first");
  } catch (const std::runtime_error&) {
  }
  kin::future<int> f;
  try {
    kin::pool workers = std::move(*made);
    f = workers.apply_async(nap, 60000);
    throw std::runtime_error("second");
  } catch (const std::runtime_error&) {
  }
  EXPECT_LT(ms_since(start), 2000 * patience);
  EXPECT_THAT(failure_of(f), testing::StartsWith("cancelled_error"));
}

TEST_P(process_pool_ends, joins_when_the_caller_has_the_last_task_and_the_workers_are_gone) {
  std::promise<void> retired;
  kin::pool_options with = options(1);
  with.on_worker_event = [&](const kin::worker_event& e) {
    if (e.what == kin::worker_event::kind::retired) retired.set_value();
  };
  kin::pool workers(std::move(with));
  workers.apply(own_pid);  // a fork is refused beside this test's own threads
  const kin::event caller_has_one, go_on;
  const auto part = kin::bind(
      [](const kin::event& has_one, const kin::event& go, int caller, int n) {
        if (::getpid() != caller) return has_one.wait(), n;
        has_one.set();
        go.wait();
        return n;
      },
      caller_has_one, go_on, static_cast<int>(::getpid()));
  std::vector<int> all;
  std::thread caller([&] { all = workers.map(part, {0, 1}, {.chunk = 1, .caller_takes_part = true}); });
  caller_has_one.wait();
  workers.close();
  std::thread joins([&] { workers.join(); });
  retired.get_future().wait();
  go_on.set();
  joins.join();
  caller.join();
  EXPECT_EQ(all, (std::vector{0, 1}));
}

KIN_ANY_POOL_TEST(pool_ends, cancels_what_runs_and_what_waits_when_it_is_terminated) {
  for (const auto grace : {0ms, 100ms}) {
    Pool workers(options(1));
    const kin::event is_busy, over;
    const auto busy =
        workers.apply_async([](const kin::event& a, const kin::event& b) { a.set(), b.wait(); }, is_busy, over);
    const auto waiting = workers.apply_async(square, 1);
    is_busy.wait();
    workers.terminate(grace);
    // Before anything has let the task go on: a thread does so only after that.
    EXPECT_THAT(failure_of(busy), testing::StartsWith("cancelled_error"));
    EXPECT_THAT(failure_of(waiting), testing::StartsWith("cancelled_error"));
    EXPECT_THROW(workers.apply_async(square, 1), kin::closed_error);
    over.set();
    workers.join();
    EXPECT_EQ(workers.stats().workers, 0u);
  }
}

// Whatever a worker ends and begins meanwhile.
TEST_P(long_pool_ends, gives_each_future_its_value_or_cancels_it_when_terminated_at_any_moment) {
  const auto spin = [](int n, int microseconds) {
    for (const auto end = clock::now() + std::chrono::microseconds(microseconds); clock::now() < end;) {
    }
    return n;
  };
  std::mt19937 random(11);
  for (int round = 0; round < 400; ++round) {
    kin::pool workers(options(4));
    workers.map(square, std::vector<int>(300), {.chunk = 1});
    std::vector<kin::future<int>> all;
    for (int i = 0; i < 2000; ++i) all.push_back(workers.apply_async(spin, i, i % 8 == 0 ? 60 : 1));
    for (const auto end = clock::now() + std::chrono::microseconds(random() % 300); clock::now() < end;) {
    }
    workers.terminate();
    workers.join();
    for (int i = 0; i < 2000; ++i) try {
        ASSERT_EQ(all[static_cast<std::size_t>(i)].get(), i);
      } catch (const kin::cancelled_error&) {
      }
  }
}

TEST_P(process_pool_ends, terminates_busy_and_deaf_workers) {
  for (const auto grace : {0ms, 100ms}) {
    kin::pool workers(options(2));
    const kin::event is_deaf, is_busy;
    auto deaf = workers.apply_async(
        [](const kin::event& ready) {
          sigset_t all;
          sigfillset(&all);
          ::sigprocmask(SIG_SETMASK, &all, nullptr);
          ready.set();
          for (;;) ::pause();
        },
        is_deaf);
    auto busy = workers.apply_async(
        [](const kin::event& ready) {
          ready.set();
          nap(60000);
        },
        is_busy);
    auto waiting = workers.apply_async(nap, 60000);
    is_deaf.wait();
    is_busy.wait();
    const auto start = clock::now();
    workers.terminate(grace);
    workers.join();
    EXPECT_LT(ms_since(start), 2000 * patience);
    EXPECT_THAT(failure_of(deaf), testing::StartsWith("cancelled_error"));
    EXPECT_THAT(failure_of(busy), testing::StartsWith("cancelled_error"));
    EXPECT_THAT(failure_of(waiting), testing::StartsWith("cancelled_error"));
    EXPECT_THROW(workers.apply_async(square, 1), kin::closed_error);
  }
}

TEST_P(process_pool_ends, lets_workers_end_in_order_within_the_grace) {
#ifdef __SANITIZE_THREAD__
  if (GetParam() == kin::start::fork)
    GTEST_SKIP() << "ThreadSanitizer never calls the handlers of a copy that was forked beside other threads";
#endif
  char path[] = "/tmp/kin_graceXXXXXX";
  ::close(::mkstemp(path));
  kin::pool workers(options(1));
  const kin::event can_be_told;
  auto f = workers.apply_async(
      [](const std::string& file, const kin::event& ready) {
        static volatile sig_atomic_t told = 0;
        ::signal(SIGTERM, [](int) { told = 1; });
        ready.set();
        while (!told) ::usleep(1000);
        const int fd = ::open(file.c_str(), O_WRONLY);
        (void)!::write(fd, "tidy", 4);
        ::close(fd);
      },
      std::string(path), can_be_told);
  can_be_told.wait();
  const auto start = clock::now();
  workers.terminate(30s);
  workers.join();
  EXPECT_LT(ms_since(start), 10000);
  char text[8] = {};
  const int fd = ::open(path, O_RDONLY);
  EXPECT_EQ(::read(fd, text, sizeof text), 4);
  ::close(fd);
  ::unlink(path);
}

KIN_ANY_POOL_TEST(pool_ends, joins_only_what_is_closed) {
  Pool workers(options(1));
  workers.apply(square, 1);
  EXPECT_THROW(workers.join(), std::logic_error);
  workers.close();
  EXPECT_THROW(workers.apply(square, 1), kin::closed_error);
  EXPECT_THROW(workers.map(square, {1, 2}), kin::closed_error);
  workers.join();
  workers.join();
  workers.close();
  workers.terminate();
  EXPECT_EQ(workers.stats().workers, 0u);
}

KIN_ANY_POOL_TEST(pool_ends, is_nothing_but_its_destructor_once_moved_from) {
  Pool a(options(1));
  auto f = a.apply_async(square, 3);
  Pool b(std::move(a));
  EXPECT_EQ(f.get(), 9);
  EXPECT_EQ(b.apply(square, 2), 4);
  EXPECT_THROW(a.apply(square, 1), std::logic_error);  // NOLINT(bugprone-use-after-move)
  EXPECT_THROW((void)a.stats(), std::logic_error);
  a = std::move(b);
  EXPECT_EQ(a.apply(square, 5), 25);
}

KIN_ANY_POOL_TEST(pool_ends, may_end_without_having_run_anything) {
  { Pool workers(options(4)); }
  Pool workers(options(4));
  workers.terminate();
  workers.join();
}

KIN_ANY_POOL_TEST(pool_ends, leaves_nothing_however_it_ends_under_whatever_load) {
  std::mt19937 random(11);
  for (int round = 0; round < (sanitized ? 8 : 30); ++round) {
    const auto start = clock::now();
    double ending = 0;
    try {
      Pool workers(options(1 + random() % 3));
      const int tasks = static_cast<int>(random() % 30);
      std::vector<kin::future<int>> all;
      for (int i = 0; i < tasks; ++i)
        all.push_back(has_processes<Pool> && random() % 10 == 0 ? workers.apply_async(die_by, SIGKILL)
                                                                : workers.apply_async(nap, 1));
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 20000));
      const unsigned how = random() % 4;
      if (how == 0) workers.terminate();
      if (how == 1) workers.terminate(10ms);
      if (how == 2) throw 1;
    } catch (int) {
    }
    ending = ms_since(start);
    EXPECT_LT(ending, 2000 * patience);
  }
}

KIN_ANY_POOL_TEST(pool_ends, refuses_in_a_forked_copy_of_its_process) {
  Pool workers(options(1));
  auto ended = workers.apply_async(square, 3);
  ended.wait();
  const kin::event refused_all;
  auto busy = workers.apply_async(wait_for, refused_all);
  const int child = ::fork();
  if (child == 0) {
    ::alarm(20);
    int wrong = 0;
    const auto refused = [&](auto f) {
      try {
        f();
        ++wrong;
      } catch (const kin::closed_error&) {
      }
    };
    refused([&] { (void)workers.apply_async(square, 1); });
    refused([&] { workers.close(); });
    refused([&] { workers.terminate(); });
    refused([&] { workers.join(); });
    refused([&] { (void)workers.stats(); });
    refused([&] { busy.wait(); });
    refused([&] { (void)busy.get(); });
    refused([&] { busy.then([](const int&) {}); });
    refused([&] { (void)busy.native_handle(); });
    refused([&] {
      for (const auto& each : kin::as_completed(std::vector{ended, busy})) (void)each;
    });
    if (ended.get() != 9) ++wrong;
    { Pool gone(std::move(workers)); }
    { auto f = std::move(busy); }
    ::_exit(wrong);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  refused_all.set();
  EXPECT_GT(busy.get(), 0);
}

TEST_P(process_pool_ends, survives_failing_system_calls) {
  // Each call that can fail, at its first few uses, for want of descriptors or memory.
  for (const char* call : {"socketpair", "pipe2", "clone", "fork", "pidfd_open", "ppoll", "sendmsg", "recvmsg",
                           "waitid", "open", "fcntl(F_DUPFD_CLOEXEC)"})
    for (int nth = 1; nth <= 3; ++nth) {
      SCOPED_TRACE(std::string(call) + " " + std::to_string(nth));
      kin::pool workers(options(2));
      kin::os::inject_fault(call, nth, call == std::string("ppoll") ? ENOMEM : EMFILE);
      std::vector<kin::future<int>> all;
      try {
        for (int i = 0; i < 6; ++i) all.push_back(workers.apply_async(square, i));
      } catch (const kin::error&) {
      }
      for (const auto& f : all) (void)failure_of(f);
      kin::os::inject_fault(nullptr, 0, 0);
      EXPECT_EQ(workers.apply(square, 4), 16);
    }
}

TEST_P(process_pool_ends, fails_what_waits_when_no_worker_can_be_started) {
  auto o = options(2);
  o.process.working_directory = "/no/such/directory";
  kin::pool workers(std::move(o));
  auto f = workers.apply_async(square, 1);
  EXPECT_THAT(failure_of(f), testing::AllOf(testing::StartsWith("start_error"), HasSubstr("do not start")));
}

TEST_P(process_pool_ends, does_not_wait_for_ever_for_a_stopped_worker) {
  const auto start = clock::now();
  {
    kin::pool workers(options(1));
    ::kill(workers.apply(own_pid), SIGSTOP);
  }
  EXPECT_LT(ms_since(start), 10000 + 2000 * patience);  // a worker that is told to leave has 10 s
}

}  // namespace
}  // namespace kin_test
