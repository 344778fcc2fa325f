// SPDX-License-Identifier: BSL-1.0
// The limits of a family in docs/process_rules.md: reached, and left again. Each in a family of its own
// (limits/family_limits.cpp).
#ifdef KIN_FAMILY_LIMITS
#include <gtest/gtest.h>

#include <string>

#include "faults/protocol_run.hpp"

namespace {

void check(const std::string& what) {
  const auto done = kin_test::run_command(KIN_FAMILY_LIMITS " " + what);
  if (done.status == 77) GTEST_SKIP() << "this system does not give so much: " << done.said;
  EXPECT_EQ(done.status, 0) << done.said;
}

TEST(family, has_8191_members_at_most_and_room_when_one_has_ended) { check("members"); }

#ifndef __SANITIZE_ADDRESS__  // with it comes one that needs descriptors to look at an exception
TEST(family, has_no_more_members_than_its_first_process_may_have_files) { check("open_files"); }

TEST(family, is_told_when_its_first_process_has_no_memory) { check("memory"); }
#endif

TEST(family, has_members_of_65535_threads_at_most) { check("threads"); }

}  // namespace
#endif
