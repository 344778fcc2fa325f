// SPDX-License-Identifier: BSL-1.0
// Promise 22: the default sizes of pools in the tasks of pools divide the processors. A machine of 24 is made up by
// KIN_CPU_COUNT, in a process of the test's own.
#include <kin/async.hpp>
#include <kin/process.hpp>
#include <kin/thread_pool.hpp>

#include "contracts/pool_contract.hpp"

namespace kin_test {
namespace {
using sizes = std::vector<std::size_t>;

class nested_pool : public pool_contract {
#if defined(__SANITIZE_ADDRESS__)
 protected:
  // A copy with an environment of its own allocates more than lies ready, and the pool's thread may have had the lock.
  void SetUp() override {
    if (GetParam() == kin::start::fork) GTEST_SKIP() << "AddressSanitizer's allocator may be locked for ever in a copy";
  }
#endif
};
KIN_POOL_CONTRACT(nested_pool);

std::size_t default_size() { return kin::pool().size(); }
std::size_t default_threads() { return kin::thread_pool().size(); }

kin::pool_options of(kin::count workers, int start) {
  kin::pool_options o;
  o.workers = workers;
  o.start = method_of(start);
  return o;
}
sizes on_24_processors(kin::start_method start, sizes (*f)(int)) {
  return kin::async(kin::process_options{.start = start, .environment = {{"KIN_CPU_COUNT", "24"}}}, f,
                    static_cast<int>(start.which()))
      .get();
}

sizes third_level(int) { return {default_size(), default_threads(), kin::pool(7).size(), kin::cpu_count()}; }
sizes second_level(int start) {
  sizes all{default_size(), default_threads()};
  kin::pool inner(of(3, start));
  for (const std::size_t n : inner.apply(third_level, start)) all.push_back(n);
  kin::pool by_default(of(0, start));
  all.push_back(by_default.apply(default_size));
  return all;
}
sizes first_level(int start) {
  sizes all{default_size()};
  kin::pool outer(of(2, start));
  for (const std::size_t n : outer.apply(second_level, start)) all.push_back(n);
  all.push_back(default_size());
  return all;
}

TEST_P(nested_pool, that_is_told_no_size_has_its_share_three_levels_deep) {
  EXPECT_EQ(on_24_processors(GetParam(), first_level), (sizes{24, 12, 12, 4, 4, 7, 24, 1, 24}));
}

TEST_P(nested_pool, has_one_worker_where_nothing_is_left_to_share) {
  EXPECT_EQ(on_24_processors(GetParam(),
                             [](int start) {
                               kin::pool crowd(of(100, start));
                               return sizes{crowd.size(), crowd.apply(default_size), crowd.apply(default_threads)};
                             }),
            (sizes{100, 1, 1}));
}

// A process that a task starts works for that task; kin::async alone divides nothing.
TEST_P(nested_pool, in_a_process_that_a_task_starts_has_the_share_of_the_task) {
  EXPECT_EQ(
      on_24_processors(GetParam(),
                       [](int start) {
                         kin::pool outer(of(4, start));
                         const auto by_async = [](int how) {
                           return kin::async(kin::process_options{.start = method_of(how)}, default_size).get();
                         };
                         return sizes{outer.apply(by_async, start), by_async(start), kin::async(default_size).get()};
                       }),
      (sizes{6, 24, 24}));
}

TEST_P(nested_pool, has_what_its_workers_environment_says) {
  EXPECT_EQ(on_24_processors(GetParam(),
                             [](int start) {
                               kin::pool_options o = of(4, start);
                               o.process.environment = {{"KIN_CPU_COUNT", "10"}};
                               kin::pool told(o);
                               const auto by_async = [](int how) {
                                 return kin::async(kin::process_options{.start = method_of(how),
                                                                        .environment = {{"KIN_CPU_COUNT", "9"}}},
                                                   default_size)
                                     .get();
                               };
                               kin::pool outer(of(4, start));
                               return sizes{told.apply(default_size), outer.apply(by_async, start)};
                             }),
            (sizes{10, 9}));
}

TEST_P(nested_pool, in_tasks_of_threads_has_its_share) {
  EXPECT_EQ(on_24_processors(GetParam(),
                             [](int start) {
                               sizes all{kin::pool(of(5, start)).apply([] {
                                 kin::thread_pool inner(2);
                                 return inner.apply(default_size);
                               })};
                               kin::thread_pool outer(2);
                               all.push_back(outer.apply(default_size));
                               all.push_back(outer.apply([] {
                                 kin::thread_pool inner(3);
                                 return inner.apply(default_threads);
                               }));
                               all.push_back(outer.apply([start] {
                                 if (method_of(start) == kin::start::fork)
                                   return std::size_t{6};  // no fork beside other threads than kin's
                                 kin::pool inner(of(2, start));
                                 return inner.apply(default_size);
                               }));
                               all.push_back(default_threads());
                               return all;
                             }),
            (sizes{2, 12, 4, 6, 24}));
}

// The caller runs it in its own process then, for the pool all the same.
TEST_P(nested_pool, in_a_task_that_the_caller_runs_has_its_share) {
  EXPECT_EQ(on_24_processors(GetParam(),
                             [](int start) {
                               kin::pool outer(of(2, start));
                               const auto all = outer.map([](int) { return kin::pool().size(); },
                                                          std::vector{1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
                                                          {.chunk = 1, .caller_takes_part = true});
                               return sizes(all.begin(), all.end());
                             }),
            sizes(10, 12));
}

}  // namespace
}  // namespace kin_test
