// SPDX-License-Identifier: BSL-1.0
// Large arguments and results, which lie in shared memory that is used again: what comes is what was sent, whoever dies
// meanwhile.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <numeric>
#include <optional>

#include "contracts/pool_contract.hpp"
#include "support/room_for_descriptors.hpp"

namespace kin_test {
namespace {
class pool_large : public pool_contract {};
KIN_POOL_CONTRACT(pool_large);

using numbers = std::vector<std::uint64_t>;
constexpr std::size_t many = 200'000;  // 1.6 MB

numbers count_from(std::uint64_t first, std::size_t n = many) {
  numbers all(n);
  std::iota(all.begin(), all.end(), first);
  return all;
}
numbers plus_one(numbers all) {
  for (auto& each : all) ++each;
  return all;
}
const numbers& kept(std::uint64_t first) {
  static const numbers all = count_from(first);
  return all;
}

TEST_P(pool_large, arguments_and_results_cross_again_and_again) {
  kin::pool workers(options(2));
  for (std::uint64_t i = 0; i < 20; ++i) EXPECT_EQ(workers.apply(plus_one, count_from(i)), count_from(i + 1));
  EXPECT_EQ(workers.apply(kept, 5u), count_from(5));
  EXPECT_EQ(workers.apply(plus_one, count_from(0, 3'000'000)), count_from(1, 3'000'000));
  const std::string text(1'000'003, 'x');
  EXPECT_EQ(workers.apply([](std::string t) { return t + t; }, text), text + text);
}

TEST_P(pool_large, more_of_them_than_there_are_blocks_wait_and_are_kept) {
  kin::pool workers(options(2));
  std::vector<kin::future<numbers>> all;
  for (std::uint64_t i = 0; i < 60; ++i) all.push_back(workers.apply_async(plus_one, count_from(i)));
  for (auto& each : all) each.wait();
  for (std::uint64_t i = 60; i-- > 0;) EXPECT_EQ(all[i].get(), count_from(i + 1));
}

TEST_P(pool_large, results_that_nobody_wants_give_their_memory_back) {
  kin::pool workers(options(1));
  for (std::uint64_t i = 0; i < 40; ++i) (void)workers.apply_async(plus_one, count_from(i));
  EXPECT_EQ(workers.apply(plus_one, count_from(7)), count_from(8));
}

TEST_P(pool_large, a_result_for_which_no_descriptor_is_left_says_so) {
  if (sanitized) GTEST_SKIP() << "UBSan needs two descriptors itself, to look at an object's type";
  kin::pool workers(options(1));
  workers.apply(square, 1);
  std::optional<room_for_descriptors> none(0);
  const auto result = workers.apply_async(kept, 5u);
  result.wait();
  none.reset();
  try {
    (void)result.get();
    FAIL() << "a descriptor was left";
  } catch (const kin::os_error& e) {
    EXPECT_EQ(e.code().value(), EMFILE);
    EXPECT_THAT(e.what(), testing::HasSubstr("RLIMIT_NOFILE"));
  }
  EXPECT_EQ(workers.apply(kept, 5u), count_from(5));
}

TEST_P(pool_large, results_outlive_their_pool) {
  kin::future<numbers> result;
  {
    kin::pool workers(options(1));
    result = workers.apply_async(plus_one, count_from(1));
    result.wait();
  }
  EXPECT_EQ(result.get(), count_from(2));
}

TEST_P(pool_large, descriptors_come_along) {
  kin::pool workers(options(1));
  const kin::unique_fd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  const auto with_fd = [](numbers all, kin::unique_fd fd) {
    if (::write(fd.get(), "x", 1) != 1) throw std::runtime_error("not writable");
    return std::pair(std::move(all), std::move(fd));
  };
  for (std::uint64_t i = 0; i < 3; ++i) {
    auto [all, fd] = workers.apply(with_fd, count_from(i), kin::unique_fd(::dup(null.get())));
    EXPECT_EQ(all, count_from(i));
    EXPECT_EQ(::write(fd.get(), "x", 1), 1);
  }
}

TEST_P(pool_large, arguments_are_there_for_another_attempt) {
  kin::pool workers(options(1));
  const kin::event died;
  const auto dies_once = [](const kin::event& before, numbers all) {
    if (!before.is_set()) {
      before.set();
      ::raise(SIGKILL);
    }
    return all;
  };
  EXPECT_EQ(workers.apply({.retries = 1}, dies_once, died, count_from(3)), count_from(3));
}

TEST_P(pool_large, a_death_costs_one_of_them) {
  kin::pool workers(options(2));
  std::vector<kin::future<numbers>> all;
  for (int i = 0; i < 30; ++i)
    all.push_back(workers.apply_async(
        [](int n, numbers some) {
          if (n % 10 == 3) ::raise(SIGKILL);
          return plus_one(std::move(some));
        },
        i, count_from(static_cast<std::uint64_t>(i))));
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i % 10 == 3)
      EXPECT_THROW((void)all[i].get(), kin::worker_lost) << i;
    else
      EXPECT_EQ(all[i].get(), count_from(i + 1)) << i;
  }
}

TEST_P(pool_large, tasks_of_tasks_have_them_too) {
  kin::pool workers(options(2));
  const auto outer = [](numbers all) { return kin::current_pool().apply(plus_one, std::move(all)); };
  EXPECT_EQ(workers.apply(outer, count_from(3)), count_from(4));
}

TEST_P(pool_large, a_result_is_taken_only_by_the_process_that_has_submitted_its_task) {
  kin::pool workers(options(1));
  auto result = workers.apply_async(plus_one, count_from(0));
  result.wait();
  const pid_t copy = ::fork();
  if (copy == 0) {
    try {
      (void)result.get();
      ::_exit(1);
    } catch (const kin::closed_error&) {
      ::_exit(0);
    } catch (...) {
      ::_exit(2);
    }
  }
  int status = -1;
  ASSERT_EQ(::waitpid(copy, &status, 0), copy);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(result.get(), count_from(1));
}

// A copy that a task forks writes nothing where the worker's next result will be.
TEST_P(pool_large, a_forked_copy_of_a_worker_spoils_no_result) {
  kin::pool workers(options(1));
  const auto forks = [](numbers all) {
    if (::fork() < 0) throw std::runtime_error("fork");
    return plus_one(std::move(all));
  };
  for (std::uint64_t i = 0; i < 10; ++i) EXPECT_EQ(workers.apply(forks, count_from(i)), count_from(i + 1));
}

// One that is forked later has what the pool itself has written to, which the pool empties; but not what others have.
TEST_P(pool_large, results_of_a_worker_are_not_kept_by_another_one) {
  const auto blocks_mapped = [] {
    std::ifstream maps("/proc/self/maps");
    int n = 0;
    for (std::string line; std::getline(maps, line);) n += line.find("kin-buffer") != std::string::npos;
    return n;
  };
  kin::pool first(options(1));
  EXPECT_EQ(first.apply(plus_one, count_from(0)), count_from(1));
  EXPECT_EQ(blocks_mapped(), 2);
  kin::pool second(options(1));
  EXPECT_LE(second.apply(blocks_mapped), 1);
}

TEST_P(pool_large, arguments_stay_the_callers) {
  kin::pool workers(options(1));
  numbers mine = count_from(0);
  EXPECT_EQ(workers.apply(plus_one, mine), count_from(1));
  EXPECT_EQ(mine, count_from(0));
  EXPECT_EQ(workers.apply(plus_one, std::move(mine)), count_from(1));
  EXPECT_TRUE(mine.empty());  // NOLINT(bugprone-use-after-move): given up
}

}  // namespace
}  // namespace kin_test
