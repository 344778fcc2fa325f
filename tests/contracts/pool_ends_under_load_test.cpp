// SPDX-License-Identifier: BSL-1.0
// Promise 10 in bulk: whatever a pool is at, each way of ending it is done soon and leaves nothing.
#include <sys/wait.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <random>

#include <kin/array.hpp>
#include <kin/process.hpp>
#include <kin/value.hpp>

#include "contracts/pool_contract.hpp"
#include "support/family_memory.hpp"
#include "support/leaves_nothing_behind.hpp"

namespace kin_test {
namespace {
[[maybe_unused]] const bool warm = warm_up([] {
  const kin::value<int> one(1);
  kin::process([] {}).join();
});

class pool_ends_under_load : public pool_contract {};
KIN_POOL_CONTRACT(pool_ends_under_load);
class long_pool_ends_under_load : public pool_contract {};
KIN_POOL_CONTRACT(long_pool_ends_under_load);

int throw_number(int n) { throw std::out_of_range(std::to_string(n)); }
int size_of(const std::vector<char>& bytes) { return static_cast<int>(bytes.size()); }
std::vector<char> bytes_of_size(int n) { return std::vector<char>(static_cast<std::size_t>(n), 'x'); }
int ask_the_pool(int n) { return kin::current_pool().apply(square, n); }
int never_hear(int) {
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  for (;;) ::pause();
}
int have_children(int n) {
  for (int i = 0; i < n % 3; ++i)
    if (::fork() == 0)
      for (;;) ::pause();
  return nap(60'000);
}

int wait_for_a_process(int n) {
  kin::process child([] { nap(60'000); });
  child.join();
  return n;
}

// What a task has forked by itself goes along when its pool ends it, but not at exit(), which ends nothing but kin's.
enum class tasks { that_end, that_leave_all_to_kin, of_any_kind };

std::vector<kin::future<int>> load(kin::pool& workers, std::mt19937& random, tasks which) {
  std::vector<kin::future<int>> all;
  const int number = static_cast<int>(random() % 30);
  for (int i = 0; i < number; ++i) {
    switch (random() % (which == tasks::that_end ? 8 : which == tasks::that_leave_all_to_kin ? 11 : 13)) {
      case 0:
      case 1:
        for (int n = 0; n < 20; ++n) all.push_back(workers.apply_async(square, n));
        break;
      case 2:
        all.push_back(workers.apply_async(nap, 1));
        break;
      case 3:
        all.push_back(random() % 3 ? workers.apply_async(nap, 0) : workers.apply_async(die_by, SIGKILL));
        break;
      case 4:
        all.push_back(workers.apply_async(size_of, bytes_of_size(300'000)));
        break;
      case 5:
        (void)workers.apply_async(bytes_of_size, 300'000);
        break;
      case 6:
        all.push_back(workers.apply_async(throw_number, i));
        break;
      case 7:
        all.push_back(workers.apply_async(ask_the_pool, i));
        break;
      case 8:
        all.push_back(workers.apply_async({.timeout = 60s}, nap, 60'000));
        break;
      case 9:
        all.push_back(workers.apply_async(never_hear, 0));
        break;
      case 10:
        all.push_back(workers.apply_async(wait_for_a_process, i));
        break;
      default:
        all.push_back(workers.apply_async(have_children, i));
    }
  }
  if (random() % 4) std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));
  return all;
}

std::int64_t now() { return clock::now().time_since_epoch() / 1ns; }
double ms_from(std::int64_t then) { return static_cast<double>(now() - then) / 1e6; }

// ---- the ways to end; each returns when the ending began, in nanoseconds of the clock

struct round {
  kin::pool_options options;
  std::mt19937& random;
};
std::int64_t by_terminate(round r) {
  kin::pool workers(r.options);
  const auto all = load(workers, r.random, tasks::of_any_kind);
  const auto began = now();
  if (r.random() % 2)
    workers.terminate();
  else
    workers.terminate(10ms);
  if (r.random() % 2) workers.join();
  for (const auto& f : all) EXPECT_TRUE(f.ready());
  return began;
}
std::int64_t by_destructor(round r) {
  std::vector<kin::future<int>> all;
  std::int64_t began = 0;
  {
    kin::pool workers(r.options);
    all = load(workers, r.random, tasks::that_end);
    began = now();
  }
  for (const auto& f : all) EXPECT_TRUE(f.ready());
  return began;
}
std::int64_t by_exception(round r) {
  std::vector<kin::future<int>> all;
  std::int64_t began = 0;
  try {
    kin::pool workers(r.options);
    all = load(workers, r.random, tasks::of_any_kind);
    began = now();
    throw 1;
  } catch (int) {
  }
  for (const auto& f : all) EXPECT_TRUE(f.ready());
  return began;
}

// A program that calls exit() while it has a pool that works.
void load_and_exit(int method, int size, unsigned seed, const kin::value<std::int64_t>& began) {
  std::mt19937 random(seed);
  kin::pool_options o;
  o.workers = size;
  o.start = method_of(method);
  const auto exit_now = [&] {
    began.store(now());
    std::exit(42);
  };
  if (random() % 2) {
    static std::optional<kin::pool> lasting(o);  // exit() destroys it
    (void)load(*lasting, random, tasks::that_end);
    exit_now();
  }
  kin::pool workers(o);
  const auto first = workers.apply_async(square, 3);  // before those that never end
  [[maybe_unused]] const auto all = load(workers, random, tasks::that_leave_all_to_kin);
  if (random() % 2) exit_now();
  first.when_ready(exit_now);  // in a callback
  for (;;) ::pause();
}
std::int64_t by_exit(round r) {
  const kin::value<std::int64_t> began(0);
  kin::process program({.start = r.options.start}, load_and_exit, static_cast<int>(r.options.start.which()),
                       static_cast<int>(std::size_t{r.options.workers}), static_cast<unsigned>(r.random()), began);
  program.join();
  EXPECT_EQ(program.exitcode(), 42);
  return began;
}

std::size_t resident_bytes() {
  std::size_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

void end_again_and_again(const kin::pool_options& options, int rounds) {
  constexpr std::int64_t (*ways[])(round) = {by_terminate, by_destructor, by_exception, by_exit};
  constexpr const char* names[] = {"terminate", "destructor", "exception", "exit"};
  std::mt19937 random(11);
  double slowest[4] = {};
  const auto before = belongings::now();
  std::size_t memory = 0, resident = 0;
  for (int i = 0; i < rounds && !testing::Test::HasFailure(); ++i) {
    if (i == rounds / 5) memory = family_memory(), resident = resident_bytes();
    const std::size_t way = random() % 4;
    SCOPED_TRACE("round " + std::to_string(i) + ": " + names[way]);
    auto o = options;
    o.workers = 1 + random() % 3;
    const auto began = ways[way]({std::move(o), random});
    std::vector<std::string> left;
    do {
      left = left_behind(before, belongings::now());
    } while (!left.empty() && ms_from(began) < 2000 * patience);
    EXPECT_THAT(left, testing::IsEmpty());
    const double time = ms_from(began);
    EXPECT_LT(time, 2000 * patience);
    slowest[way] = std::max(slowest[way], time);
  }
  for (int way = 0; way < 4; ++way) std::printf("%s: at most %.0f ms\n", names[way], slowest[way]);
  EXPECT_LE(family_memory(), memory + (1 << 20));
  if (sanitized) return;
  EXPECT_LE(resident_bytes(), resident + (16 << 20));
}

TEST_P(pool_ends_under_load, is_soon_done_and_leaves_nothing) { end_again_and_again(options(1), sanitized ? 10 : 40); }
TEST_P(long_pool_ends_under_load, is_1000_times_soon_done_and_leaves_nothing) { end_again_and_again(options(1), 1000); }

}  // namespace
}  // namespace kin_test
