// SPDX-License-Identifier: BSL-1.0
// main: the main of every test program. Each test gets a watchdog and must leave nothing behind.
#if __has_include(<kin/init.hpp>)
#include <kin/init.hpp>
#endif

#include <gtest/gtest.h>

#include <csignal>

#include "support/leaves_nothing_behind.hpp"
#include "support/watchdog.hpp"

int main(int argc, char** argv) {
#if __has_include(<kin/init.hpp>)
  kin::init();
#endif
  // Tests send them. Whoever started this program, with nohup, say, or in the background of a script, may ignore some.
  for (const int s : {SIGHUP, SIGINT, SIGQUIT, SIGTERM}) std::signal(s, SIG_DFL);
  testing::InitGoogleTest(&argc, argv);
  if (!testing::GTEST_FLAG(list_tests)) {
    auto& listeners = testing::UnitTest::GetInstance()->listeners();
    listeners.Append(new kin_test::watchdog);  // GoogleTest owns its listeners
    listeners.Append(new kin_test::leaves_nothing_behind);
  }
  return RUN_ALL_TESTS();
}
