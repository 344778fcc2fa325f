// SPDX-License-Identifier: BSL-1.0
// watchdog: after KIN_TEST_WATCHDOG seconds (120; 0 for never) in one test it prints the stacks of every thread of the
// test program and of all its descendants, and aborts it. Every test has it, by support/main.cpp.
//
// It is a process and not a thread (start::fork refuses a program with threads that kin did not start), and nobody's
// child (a test may wait for any child). It holds nothing of the test program's but its stderr.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>

namespace kin_test {

class watchdog : public testing::EmptyTestEventListener {
 public:
  /// One page that the test program writes and the watchdog reads.
  struct page {
    std::atomic<std::int64_t> deadline;  ///< steady_clock, in nanoseconds; none while no test runs
    char test[200];                      ///< its name; written before the deadline
  };

  void OnTestProgramStart(const testing::UnitTest&) override;
  void OnTestStart(const testing::TestInfo&) override;
  void OnTestEnd(const testing::TestInfo&) override;

 private:
  page* page_ = nullptr;
};

}  // namespace kin_test
