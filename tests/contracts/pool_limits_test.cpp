// SPDX-License-Identifier: BSL-1.0
// Promises 4 and 5: timeouts, cancelling, retries, idle workers, backpressure. Cancelling against time is in
// pool_cancel_races_test.cpp, worn-out workers in pool_wear_test.cpp.
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include <kin/event.hpp>
#include <kin/process.hpp>
#include <kin/value.hpp>

#include "contracts/pool_contract.hpp"
#include "support/eventually.hpp"

namespace kin_test {
namespace {
class pool_limits : public pool_contract {};
KIN_POOL_CONTRACT(pool_limits);

// A file whose lines tell what tasks have done, from whichever process.
class notebook {
 public:
  notebook() {
    char path[] = "/tmp/kin_pool_testXXXXXX";
    ::close(::mkstemp(path));
    path_ = path;
  }
  ~notebook() { std::filesystem::remove(path_); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::vector<std::string> lines() const {
    std::ifstream in(path_);
    std::vector<std::string> all;
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
  }

 private:
  std::string path_;
};
void note(const std::string& path, const std::string& line) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND);
  const std::string text = line + "\n";
  (void)!::write(fd, text.data(), text.size());
  ::close(fd);
}
int fail_first(const std::string& path, int times, int how) {
  std::ifstream in(path);
  int runs = 0;
  for (std::string line; std::getline(in, line);) ++runs;
  note(path, "run");
  if (runs >= times) return runs;
  if (how == 0) ::raise(SIGKILL);
  if (how == 1) throw kin::retryable("again");
  if (how == 2) throw std::runtime_error("for good");
  std::this_thread::sleep_for(60s);
  return -1;
}
void loop_with_signals_blocked(const kin::event& begun) {
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  begun.set();
  for (std::atomic<unsigned long> n{0};; ++n) {
  }
}

TEST_P(pool_limits, refuses_a_task_where_no_thread_can_be_had_and_ends) {
  if (sanitized) GTEST_SKIP() << "a sanitizer needs address space without end";
  kin::process outer(kin::start::fork, [] {
    int code = 1;
    {
      kin::pool workers(options(1));
      std::size_t pages = 0;
      std::ifstream("/proc/self/statm") >> pages;
      const rlim_t bytes = pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) + (4U << 20);
      const rlimit little{bytes, RLIM_INFINITY};  // too little for the stack of another thread
      pthread_attr_t large;                       // larger than those of ended threads, which are used again
      ::pthread_attr_init(&large);
      ::pthread_attr_setstacksize(&large, 64U << 20);
      if (::pthread_setattr_default_np(&large) != 0 || ::setrlimit(RLIMIT_AS, &little) != 0) std::exit(2);
      try {
        workers.apply(square, 2);
      } catch (const kin::os_error&) {
        code = 0;
      }
    }
    std::exit(code);
  });
  outer.join();
  EXPECT_EQ(outer.exitcode(), 0);
}

TEST_P(pool_limits, stops_a_task_that_blocks_every_signal_at_its_timeout) {
  kin::pool workers(options(2));
  workers.map(nap, {20, 20}, {.chunk = 1});
  auto other = workers.apply_async(nap, 600);
  const kin::event begun;
  const auto start = clock::now();
  auto f = workers.apply_async({.timeout = 200ms, .name = "loop"}, loop_with_signals_blocked, begun);
  begun.wait();  // a worker may have to start first
  const auto loops = clock::now();
  EXPECT_THAT(failure_of(f), testing::AllOf(testing::StartsWith("task_timeout"), HasSubstr("loop")));
  EXPECT_GE(ms_since(start), 200);
  EXPECT_LT(ms_since(loops), 200 + 100 * patience);
  EXPECT_EQ(failure_of(other), "value");
}

TEST_P(pool_limits, counts_a_timeout_from_the_start_of_the_task) {
  kin::pool workers(options(1));
  auto blocker = workers.apply_async(nap, 1100);
  auto waited = workers.apply_async({.timeout = 1s}, nap, 10);
  EXPECT_EQ(failure_of(waited), "value");
  auto big = workers.apply_async(
      {.timeout = 10s}, [](const std::vector<char>& v) { return v.size(); }, std::vector<char>(32u << 20));
  EXPECT_EQ(big.get(), 32u << 20);
}

TEST_P(pool_limits, does_not_begin_a_task_whose_time_is_over) {
  kin::pool workers(options(1));
  const kin::value<bool> begun{false};
  const auto begin = [](const kin::value<bool>& b) { b.store(true); };
  EXPECT_THAT(failure_of(workers.apply_async({.timeout = -1ns, .retries = 2, .name = "late"}, begin, begun)),
              testing::AllOf(testing::StartsWith("task_timeout"), HasSubstr("late")));
  EXPECT_THROW(workers.map(square, {1, 2}, {.task = {.timeout = -1s}}), kin::task_timeout);
  const auto from_a_task = [](const kin::value<bool>& b, auto inner) {
    return failure_of(kin::current_pool().apply_async({.timeout = -1ns}, inner, b));
  };
  EXPECT_THAT(workers.apply(from_a_task, begun, begin), testing::StartsWith("task_timeout"));
  EXPECT_FALSE(begun.load());
  EXPECT_EQ(workers.stats().workers_lost, 0U);
  EXPECT_EQ(workers.stats().failed, 3U);
}

TEST_P(pool_limits, takes_the_children_of_a_task_along_at_its_timeout) {
  kin::pool workers(options(1));
  auto f = workers.apply_async({.timeout = 200ms}, [] {
    for (int i = 0; i < 3; ++i)
      if (::fork() == 0) {
        ::sleep(60);
        ::_exit(0);
      }
    ::sleep(60);
  });
  EXPECT_THAT(failure_of(f), testing::StartsWith("task_timeout"));
  // The fixture finds children that are left.
}

TEST_P(pool_limits, gives_up_a_get_in_time_and_lets_the_task_go_on) {
  kin::pool workers(options(1));
  const kin::event given_up, last_given_up;
  auto f = workers.apply_async(wait_for, given_up);
  EXPECT_EQ(f.get_for(20ms), std::nullopt);
  EXPECT_EQ(f.get_until(clock::now() + 1ms), std::nullopt);
  EXPECT_FALSE(f.wait_for(1ms));
  EXPECT_FALSE(f.ready());
  EXPECT_THROW((void)f.successful(), std::logic_error);
  given_up.set();
  EXPECT_GT(f.get(), 0);
  EXPECT_TRUE(f.successful());
  auto p = workers.apply_async([] { return std::make_unique<int>(4); });
  EXPECT_EQ(**std::move(p).get_for(60s), 4);
  EXPECT_TRUE(workers.apply_async([] {}).get_for(60s));
  EXPECT_FALSE(workers.apply_async([](const kin::event& e) { e.wait(); }, last_given_up).get_for(1ms));
  last_given_up.set();
}

TEST_P(pool_limits, cancels_waiting_running_and_never_ended_tasks) {
  kin::pool workers(options(1));
  const notebook book;
  const auto write = [](const std::string& path) { note(path, "ran"); };
  auto running = workers.apply_async(nap, 60000);
  auto waiting = workers.apply_async(write, book.path());
  EXPECT_TRUE(waiting.cancel());
  EXPECT_FALSE(waiting.cancel());
  EXPECT_THAT(failure_of(waiting), testing::StartsWith("cancelled_error"));
  std::this_thread::sleep_for(50ms);
  EXPECT_TRUE(running.cancel());
  EXPECT_THAT(failure_of(running), testing::StartsWith("cancelled_error"));
  auto ended = workers.apply_async(square, 3);
  EXPECT_EQ(ended.get(), 9);
  EXPECT_FALSE(ended.cancel());
  EXPECT_TRUE(book.lines().empty());
  EXPECT_EQ(workers.stats().pending, 0u);
}

TEST_P(pool_limits, retries_what_was_lost_or_late_or_retryable_and_nothing_else) {
  kin::pool workers(options(1));
  for (const int how : {0, 1, 3}) {
    SCOPED_TRACE(how);
    const notebook book;
    // A run that is to end well must not be late, however busy the machine is.
    const kin::task_options two{.timeout = how == 3 ? 1s : 0s, .retries = 2};
    EXPECT_EQ(workers.apply(two, fail_first, book.path(), 2, how), 2);
    EXPECT_EQ(book.lines().size(), 3u);
    const notebook poison;
    EXPECT_NE(failure_of(workers.apply_async(two, fail_first, poison.path(), 100, how)), "value");
    EXPECT_EQ(poison.lines().size(), 3u);
  }
  const notebook book;
  EXPECT_THROW(workers.apply({.retries = 5}, fail_first, book.path(), 100, 2), std::runtime_error);
  EXPECT_EQ(book.lines().size(), 1u);
  EXPECT_EQ(workers.stats().retried, 12u);
}

TEST_P(pool_limits, lets_idle_workers_go) {
  auto o = options(2);
  o.idle_timeout = 50ms;
  kin::pool workers(std::move(o));
  workers.map(nap, {20, 20}, {.chunk = 1});
  const auto start = clock::now();
  while (workers.stats().workers > 0 && ms_since(start) < 20000) std::this_thread::sleep_for(5ms);
  EXPECT_EQ(workers.stats().workers, 0u);
  EXPECT_EQ(workers.stats().workers_lost, 0u);
  EXPECT_EQ(workers.apply(square, 3), 9);
}

TEST_P(pool_limits, makes_submitters_wait_while_too_much_is_pending) {
  auto o = options(1);
  o.max_pending = 3;
  kin::pool workers(std::move(o));
  std::vector<kin::future<int>> all;
  std::size_t most = 0;
  for (int i = 0; i < 20; ++i) {
    all.push_back(workers.apply_async(nap, 5));
    most = std::max(most, workers.stats().pending);
  }
  EXPECT_LE(most, 3u);
  for (const auto& f : all) EXPECT_GT(f.get(), 0);
  // Cancelled tasks make room.
  auto blocker = workers.apply_async(nap, 60000);
  std::vector<kin::future<int>> waiting;
  for (int i = 0; i < 3; ++i) waiting.push_back(workers.apply_async(nap, 1));
  EXPECT_TRUE(waiting[1].cancel());
  auto fits = workers.apply_async(square, 2);
  EXPECT_TRUE(blocker.cancel());
  EXPECT_EQ(fits.get(), 4);
}

bool is_asleep(int thread) {
  std::ifstream in("/proc/self/task/" + std::to_string(thread) + "/stat");
  const std::string stat{std::istreambuf_iterator<char>(in), {}};
  const auto name_ends = stat.rfind(") ");
  return name_ends != std::string::npos && stat[name_ends + 2] == 'S';
}

TEST_P(pool_limits, lets_a_submitter_go_on_when_what_was_in_its_way_is_cancelled) {
  if (GetParam() == kin::start_method(kin::start::fork)) GTEST_SKIP() << "fork refuses threads of the user";
  auto o = options(1);
  o.max_pending = 1;
  kin::pool workers(std::move(o));
  auto runs = workers.apply_async(nap, 60'000);
  while (workers.stats().running == 0) std::this_thread::yield();
  auto in_its_way = workers.apply_async(nap, 1);
  while (workers.stats().pending == 0) in_its_way = workers.apply_async(nap, 1);
  std::atomic<int> thread{0};
  std::thread submitter([&] {
    thread = ::gettid();
    EXPECT_EQ(workers.apply(square, 3), 9);
  });
  EXPECT_TRUE(eventually([&] { return thread != 0 && is_asleep(thread); }));
  EXPECT_TRUE(in_its_way.cancel());
  EXPECT_TRUE(runs.cancel());
  submitter.join();
}

// Of its own will, or as a job-controlling shell that a task runs does.
void leave_the_group_and_a_child_in_it(const kin::event& has_left) {
  if (::fork() == 0) {
    ::sleep(60);
    ::_exit(0);
  }
  if (::setpgid(0, ::getpgid(::getppid())) == 0) has_left.set();
  std::this_thread::sleep_for(60s);
}
TEST_P(pool_limits, reach_a_task_that_has_left_its_process_group) {
  const kin::event has_left;
  kin::pool workers(options(1));
  auto late = workers.apply_async({.timeout = 1s}, leave_the_group_and_a_child_in_it, has_left);
  EXPECT_THROW(late.get(), kin::task_timeout);
  has_left.clear();
  auto unwanted = workers.apply_async(leave_the_group_and_a_child_in_it, has_left);
  has_left.wait();
  EXPECT_TRUE(unwanted.cancel());
  EXPECT_EQ(workers.apply(square, 3), 9);
}

TEST_P(pool_limits, stops_a_task_that_takes_more_memory_than_it_may) {
  if (sanitized) GTEST_SKIP() << "sanitizers have memory of their own";
  kin::pool workers(options(1));
  const int pid = workers.apply(own_pid);
  const auto take = [](std::size_t bytes) { return std::vector<char>(bytes, 'x').size(); };
  EXPECT_THROW(workers.apply({.memory_limit = 64u << 20}, take, std::size_t{200} << 20), std::bad_alloc);
  EXPECT_EQ(workers.apply({.memory_limit = 64u << 20}, take, std::size_t{16} << 20), std::size_t{16} << 20);
  EXPECT_EQ(workers.apply({.memory_limit = ~std::uint64_t{0}}, take, std::size_t{16} << 20), std::size_t{16} << 20);
  EXPECT_EQ(workers.apply(take, std::size_t{200} << 20), std::size_t{200} << 20);
  EXPECT_EQ(workers.apply(own_pid), pid);
}

TEST_P(pool_limits, shows_the_last_lines_of_a_lost_worker) {
  auto o = options(1);
  o.capture_stderr = true;
  kin::pool workers(std::move(o));
  workers.apply([] { std::fputs("of the task before\n", stderr); });
  try {
    workers.apply([] {
      for (int i = 0; i < 100000; ++i) std::fprintf(stderr, "line %d\n", i);
      std::fputs("the last words\n", stderr);
      std::abort();
    });
    FAIL();
  } catch (const kin::worker_lost& e) {
    EXPECT_THAT(e.details(), HasSubstr("the last words"));
    EXPECT_THAT(e.details(), HasSubstr("line 99999\n"));
    EXPECT_LT(e.details().size(), 10000u);
    EXPECT_THAT(e.what(), HasSubstr("the last words"));
  }
  try {
    workers.apply(die_by, SIGKILL);
    FAIL();
  } catch (const kin::worker_lost& e) {
    EXPECT_THAT(e.details(), testing::Not(HasSubstr("words")));
  }
}

}  // namespace
}  // namespace kin_test
