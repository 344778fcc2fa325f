// SPDX-License-Identifier: BSL-1.0
// Promise 24: where RLIMIT_FSIZE ends, memory cannot be had: an os_error when something is made or grows, and never
// SIGXFSZ or SIGBUS. The limit is real, and is one of a process of its own (limits/small_files.cpp).
#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <kin/pool.hpp>

#include "faults/limits/limited_nouns.hpp"
#include "faults/protocol_run.hpp"

namespace {

template <class... Nouns>
std::vector<std::string> names_of(kin_test::list_of<Nouns...>) {
  return {std::string(Nouns::name)...};
}

class file_size_limit : public testing::TestWithParam<std::tuple<std::string, std::string>> {
 protected:
  static kin_test::protocol_run run(const std::string& kibibytes) {
    const auto& [noun, place] = GetParam();
    return kin_test::run_command(std::string(KIN_SMALL_FILES " ") + noun + " " + place + " " + kibibytes);
  }
};
class long_file_size_limit : public file_size_limit {};

TEST_P(file_size_limit, is_an_error_after_which_everything_works) {
  // A pool tries in vain to start workers for a second where there is memory for little else.
  const auto done = run(std::get<0>(GetParam()) == "pool" ? "0" : "0 70 1100");
  EXPECT_EQ(done.status, 0) << done.said;
}

TEST_P(long_file_size_limit, of_any_size_is_an_error_after_which_everything_works) {
  const auto done = run("0 1 4 8 16 36 40 64 70 128 300 1024 2100 2500 5000 20000 70000");
  EXPECT_EQ(done.status, 0) << done.said;
}

const auto all = testing::Combine(testing::ValuesIn(names_of(kin_test::all_limited{})),
                                  testing::Values("root_to_be", "root", "member", "member_of_limited_root"));
const auto name = [](const auto& test) { return std::get<0>(test.param) + "_in_a_" + std::get<1>(test.param); };
INSTANTIATE_TEST_SUITE_P(all, file_size_limit, all, name);
INSTANTIATE_TEST_SUITE_P(all, long_file_size_limit, all, name);

// Here it is the workers that may have no files.
class worker_file_size_limit : public testing::TestWithParam<kin::start_method> {
 protected:
  static kin::pool_options limited(std::uint64_t bytes) {
    kin::pool_options options{.workers = 2, .start = GetParam()};
    options.process.limits.file_size = bytes;
    options.process.limits.core_size = 0;
    options.process.environment["ASAN_OPTIONS"] = "handle_segv=0";  // its handler would end the process otherwise
    return options;
  }
};

TEST_P(worker_file_size_limit, costs_large_results_at_most) {
  for (const std::uint64_t bytes : {0U, 4096U, 100'000U, 2'000'000U}) {
    kin::pool workers(limited(bytes));
    EXPECT_EQ(workers.apply(kin_test::increment, 1), 2);
    EXPECT_EQ(workers.apply(kin_test::size_of, std::vector<char>(3 << 20)), std::size_t{3} << 20);
    for (const std::size_t size : {1000U, 60'000U, 1U << 20, 16U << 20}) try {
        EXPECT_EQ(workers.apply(kin_test::of_size, size).size(), size);
      } catch (const kin::os_error& e) {
        EXPECT_EQ(e.code().value(), EFBIG) << size;
      }
    EXPECT_EQ(workers.map(kin_test::increment, kin_test::numbers(300'000)).size(), 300'000U);
    EXPECT_EQ(workers.stats().workers_lost, 0U) << bytes;
  }
}

void crash() { ::raise(SIGSEGV); }
void abort_it() { ::raise(SIGABRT); }
void write_to_nowhere() { *reinterpret_cast<volatile int*>(std::size_t{16}) = 1; }  // NOLINT

TEST_P(worker_file_size_limit, does_not_hide_of_what_a_task_died) {
  for (const std::uint64_t bytes : {0U, 100U, 5000U}) {
    kin::pool workers(limited(bytes));
    for (const auto& [task, signal] : {std::pair(&crash, SIGSEGV), {&abort_it, SIGABRT}, {&write_to_nowhere, SIGSEGV}})
      try {
        workers.apply(task);
        ADD_FAILURE() << "it lives";
      } catch (const kin::worker_lost& e) {
        EXPECT_EQ(e.signal(), signal) << e.what();
      }
  }
}

INSTANTIATE_TEST_SUITE_P(by, worker_file_size_limit,
                         testing::Values(kin::start_method(kin::start::spawn),
                                         kin::start_method(kin::start::forkserver),
                                         kin::start_method(kin::start::fork)),
                         [](const auto& test) { return std::string(test.param.name()); });

}  // namespace
