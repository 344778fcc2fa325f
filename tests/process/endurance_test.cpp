// SPDX-License-Identifier: BSL-1.0
// endurance: what promises 16, 17, 19, 20 and 21 say of thousands of starts, and of parents of any size.
#include <kin/process/process.hpp>

#include <gtest/gtest.h>

#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "process/life.hpp"

using namespace kin_test;
namespace fs = std::filesystem;

namespace {

class long_starts : public every_start {};
INSTANTIATE_TEST_SUITE_P(by, long_starts, start_methods, start_name);

void leave_with(int code) { std::exit(code); }
std::size_t open_descriptors() {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator("/proc/self/fd"), {}));
}

TEST_P(long_starts, of_10000_children_leave_the_number_of_descriptors_as_it_was) {
  for (int i = 0; i < 20; ++i) kin::process(with(), leave_with, 0).join();
  const std::size_t before = open_descriptors();
  std::size_t most = before;
  for (int i = 0; i < 10'000; ++i) {
    kin::process child(with(), leave_with, i & 0x7f);
    child.join();
    ASSERT_EQ(child.exitcode(), i & 0x7f);
    child = kin::process();
    if (i % 100 == 0) most = std::max(most, open_descriptors());
  }
  EXPECT_EQ(most, before);
  EXPECT_EQ(open_descriptors(), before);
}

void start_without_end(kin::connection ready, int method) {
  ready.send(1);
  for (std::vector<kin::process> all;;) {
    all.emplace_back(kin::process_options{.start = method_of(method)}, [] { nap(60s); });
    if (all.size() > 60) std::_Exit(0);
  }
}

// Whoever is left is found by leaves_nothing_behind, by the mark in its environment.
TEST_P(long_starts, race_1000_times_with_the_death_of_the_parent_and_leave_nobody) {
  std::mt19937 random(11);
  for (int i = 0; i < 1000; ++i) {
    auto [a, b] = kin::pipe();
    kin::process parent(start_without_end, std::move(b), static_cast<int>(GetParam().which()));
    (void)a.recv<int>();
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 4'000));
    parent.kill();
  }
}

// Locks that other threads hold all the time, malloc's among them, must not be copied into a child.
TEST_P(long_starts, of_10000_children_all_run_while_64_threads_allocate_and_lock) {
  if (GetParam() == kin::start::fork) GTEST_SKIP() << "refused beside other threads: see process_test";
  constexpr int starters = 64, each = 157;
  std::atomic<bool> stop{false};
  std::atomic<int> right{0};
  std::mutex mutex;
  std::string shared;
  std::vector<std::thread> noise, threads;
  for (int i = 0; i < 64; ++i)
    noise.emplace_back([&] {
      while (!stop) {
        const std::vector<std::string> strings(20, std::string(100, 'x'));
        const std::lock_guard hold(mutex);
        shared = std::string(1000, 'y');
      }
    });
  for (int i = 0; i < starters; ++i)
    threads.emplace_back([&, i] {
      for (int n = 0; n < each; ++n) {
        kin::process child(with(), leave_with, i);
        child.join();
        if (child.exitcode() == i) ++right;
      }
    });
  for (auto& t : threads) t.join();
  stop = true;
  for (auto& t : noise) t.join();
  EXPECT_EQ(right, starters * each);
}

double best_tenth(kin::start_method start) {
  std::vector<double> times;
  for (int i = 0; i < 200; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    kin::process(kin::process_options{.start = start}, leave_with, 0).join();
    times.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
    // Until the fork server has made the next one, which it does beside the caller.
    if (start == kin::start::forkserver) nap(2ms);
  }
  std::ranges::sort(times);
  return times[times.size() / 10];
}

TEST_P(long_starts, take_as_long_from_a_parent_of_4_gibibytes_as_from_a_small_one) {
  if (GetParam() == kin::start::fork) GTEST_SKIP() << "fork copies the tables of all pages";
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's shadow is as large as the memory";
#endif
  const std::string info = contents("/proc/meminfo");
  const auto at = info.find("MemAvailable:");
  if (at == std::string::npos || std::strtoull(info.c_str() + at + 13, nullptr, 10) < (6ULL << 20))
    GTEST_SKIP() << "there are no 6 GiB of memory here";
  (void)best_tenth(GetParam());
  const double small = best_tenth(GetParam());
  const std::vector<char> ballast(std::size_t{4} << 30, 1);
  const double large = best_tenth(GetParam());
  EXPECT_EQ(ballast[1 << 30], 1);
  EXPECT_LT(large, 1.5 * small) << "small: " << small << " us";
}

}  // namespace
