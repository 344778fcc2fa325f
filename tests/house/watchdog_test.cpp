// SPDX-License-Identifier: BSL-1.0
// watchdog: a test that hangs is ended, with the stacks of its threads.
#include "support/watchdog.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

using testing::HasSubstr;

// Started a second time by itself, with KIN_TEST_HANGS set, it hangs where only a stack can tell.
TEST(watchdog, prints_the_stacks_of_a_test_that_hangs_and_aborts_it) {
  while (std::getenv("KIN_TEST_HANGS")) pause();

  const std::string command = "exec env -u KIN_TEST_FAMILY KIN_TEST_HANGS=1 KIN_TEST_WATCHDOG=1 /proc/" +
                              std::to_string(getpid()) + "/exe --gtest_filter=watchdog.prints* 2>&1";
  FILE* program = popen(command.c_str(), "r");
  ASSERT_NE(program, nullptr);
  std::string output;
  std::array<char, 4096> part{};
  while (std::fgets(part.data(), part.size(), program)) output += part.data();
  const int status = pclose(program);
  EXPECT_FALSE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_THAT(output,
              HasSubstr("watchdog: watchdog.prints_the_stacks_of_a_test_that_hangs_and_aborts_it has run too long"));
  EXPECT_THAT(output, HasSubstr("pause"));
}

}  // namespace
