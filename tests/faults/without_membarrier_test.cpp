// SPDX-License-Identifier: BSL-1.0
// Where membarrier(2) is refused, as in some sandboxes, every publication has its own fence: all nouns work as they do
// elsewhere. The inner tests run in this program again, as the first process of a family that was refused it from the
// beginning; a wake that is lost there is a test that hangs.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <kin/kin.hpp>

#include "os/memory_barrier.hpp"
#include "support/leaves_nothing_behind.hpp"
#include "support/refused_system_call.hpp"

namespace kin_test {
namespace {

TEST(without_membarrier, everything_works) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (!refuse(SYS_membarrier, EPERM)) ::_exit(126);
    ::execl("/proc/self/exe", "refused", "--gtest_filter=refused_membarrier.DISABLED_*",
            "--gtest_also_run_disabled_tests", "--gtest_brief=1", nullptr);
    ::_exit(127);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
}

constexpr int many = 20'000;

class refused_membarrier : public testing::Test {
 protected:
  void SetUp() override { ASSERT_FALSE(kin::os::has_heavy_barrier()); }
};

TEST_F(refused_membarrier, DISABLED_mutex_excludes) {
  const kin::mutex mutex;
  const kin::array<long> plain(1);
  const auto add = [](const kin::mutex& m, kin::array<long> n) {
    for (int i = 0; i < many; ++i) {
      const std::scoped_lock hold(m);
      n[0] = n[0] + 1;
    }
  };
  kin::process one(add, mutex, plain), two(add, mutex, plain);
  one.join();
  two.join();
  EXPECT_EQ(plain[0], 2 * many);
}

TEST_F(refused_membarrier, DISABLED_semaphores_and_events_wake) {
  const kin::counting_semaphore there(0), back(0);
  const kin::bounded_semaphore permit(1);
  const kin::event done;
  kin::process other(
      [](const kin::counting_semaphore& from, const kin::counting_semaphore& to, const kin::bounded_semaphore& p,
         const kin::event& end) {
        for (int i = 0; i < 2000; ++i) {
          from.acquire();
          p.acquire();
          p.release();
          to.release();
        }
        end.wait();
      },
      there, back, permit, done);
  for (int i = 0; i < 2000; ++i) {
    there.release();
    back.acquire();
    if (i % 2 == 0) std::this_thread::yield();
    permit.acquire();
    permit.release();
  }
  done.set();
  other.join();
  EXPECT_EQ(other.exitcode(), 0);
}

TEST_F(refused_membarrier, DISABLED_condition_variable_wakes) {
  const kin::value<int> turn(0);
  const kin::mutex mutex;
  const kin::condition_variable changed;
  const auto play = [](kin::mutex m, const kin::condition_variable& c, const kin::value<int>& n, int mine) {
    for (int i = 0; i < 1000; ++i) {
      std::unique_lock hold(m);
      c.wait(hold, [&] { return n.load() % 2 == mine; });
      n.fetch_add(1);
      c.notify_all();
    }
  };
  kin::process other(play, mutex, changed, turn, 1);
  play(mutex, changed, turn, 0);
  other.join();
  EXPECT_EQ(turn.load(), 2000);
}

TEST_F(refused_membarrier, DISABLED_queue_loses_nothing) {
  for (const std::size_t capacity : {std::size_t{3}, std::size_t{1000}}) {
    const kin::queue<long> items(capacity);
    const kin::queue<long> sums;
    const auto produce = [](const kin::queue<long>& to) {
      for (long i = 0; i < many; ++i) to.put(i);
    };
    const auto consume = [](const kin::queue<long>& from, const kin::queue<long>& to) {
      long sum = 0;
      for (const long n : from) sum += n;
      to.put(sum);
    };
    kin::process p1(produce, items), p2(produce, items), c1(consume, items, sums), c2(consume, items, sums);
    p1.join();
    p2.join();
    items.close();
    const long first = sums.get();
    EXPECT_EQ(first + sums.get(), long{many} * (many - 1));
  }
}

TEST_F(refused_membarrier, DISABLED_pipe_answers_and_streams) {
  auto [here, there] = kin::pipe();
  kin::process echo(
      [](kin::connection c) {
        for (int i = 0; i < 3000; ++i) c.send(c.recv<long>() + 1);
        for (long i = 0; i < many; ++i) c.send(std::vector<long>(static_cast<std::size_t>(i % 100), i));
      },
      std::move(there));
  for (long i = 0; i < 3000; ++i) {
    here.send(i);
    ASSERT_EQ(here.recv<long>(), i + 1);
  }
  for (long i = 0; i < many; ++i)
    ASSERT_EQ(here.recv<std::vector<long>>(), std::vector<long>(static_cast<std::size_t>(i % 100), i));
  EXPECT_THROW((void)here.recv<long>(), kin::closed_error);
}

TEST_F(refused_membarrier, DISABLED_shared_dict_is_changed_by_two) {
  const kin::shared_dict<int, long> counts;
  const auto count = [](const kin::shared_dict<int, long>& all) {
    for (int i = 0; i < 5000; ++i) all.update(i % 10, [](long& n) { ++n; });
  };
  kin::process one(count, counts), two(count, counts);
  one.join();
  two.join();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(counts.get(i), 1000);
}

TEST_F(refused_membarrier, DISABLED_pools_of_every_kind_answer) {
  for (const kin::start_method method :
       {kin::start_method(kin::start::spawn), kin::start_method(kin::start::forkserver),
        kin::start_method(kin::start::fork)}) {
    kin::pool workers({.workers = 2, .start = method});
    const auto square = [](int n) { return n * n; };
    for (int i = 0; i < 500; ++i) ASSERT_EQ(workers.apply(square, i), i * i);
    std::vector<kin::future<int>> all;
    for (int i = 0; i < 5000; ++i) all.push_back(workers.apply_async(square, i));
    for (int i = 0; i < 5000; ++i) ASSERT_EQ(all[static_cast<std::size_t>(i)].get(), i * i);
    std::vector<int> numbers(100'000);
    std::iota(numbers.begin(), numbers.end(), 0);
    const auto added = workers.map([](int n) { return n + 1; }, numbers);
    for (int i = 0; i < 100'000; ++i) ASSERT_EQ(added[static_cast<std::size_t>(i)], i + 1);
    const kin::array<int> in(numbers);
    kin::array<int> out(numbers.size());
    for (int round = 0; round < 20; ++round) workers.map([](int n) { return n - 1; }, in, out);
    EXPECT_EQ(out[99'999], 99'998);
    EXPECT_THROW(workers.apply([] { ::_exit(3); }), kin::worker_lost);
    EXPECT_EQ(workers.apply(square, 5), 25);
  }
}

}  // namespace
}  // namespace kin_test
