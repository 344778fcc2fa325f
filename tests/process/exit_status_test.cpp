// SPDX-License-Identifier: BSL-1.0
// exit_status: what it says of itself.
#include <kin/process/exit_status.hpp>

#include <gtest/gtest.h>

#include <csignal>
#include <string>

namespace {

std::string killed_by(int signal) {
  kin::exit_status status;
  status.signal = signal;
  return status.describe();
}

TEST(exit_status, names_the_signal_and_what_it_means) {
  EXPECT_EQ(killed_by(SIGSEGV), "killed by SIGSEGV (Segmentation fault)");
  EXPECT_EQ(killed_by(SIGKILL), "killed by SIGKILL (Killed)");
  EXPECT_EQ(killed_by(SIGRTMIN), "killed by SIGRTMIN");
  EXPECT_EQ(killed_by(SIGRTMIN + 3), "killed by SIGRTMIN+3");
  EXPECT_EQ(killed_by(SIGRTMAX + 5), "killed by signal " + std::to_string(SIGRTMAX + 5));
}

TEST(exit_status, has_a_name_for_every_signal_that_ends_a_process) {
  for (int signal = 1; signal < 32; ++signal)
    EXPECT_EQ(killed_by(signal).rfind("killed by SIG", 0), 0u) << killed_by(signal);
}

TEST(exit_status, says_the_code_or_that_nobody_knows) {
  kin::exit_status status;
  status.code = 3;
  EXPECT_EQ(status.describe(), "exit code 3");
  status.code = -1;
  status.known = false;
  EXPECT_NE(status.describe().find("taken by another"), std::string::npos);
}

}  // namespace
