// SPDX-License-Identifier: BSL-1.0
// quiet: kin prints nothing by itself. What cannot begin is told to whoever started it: by an exception where somebody
// waits for it, else by the log and exit code 126. A seccomp filter refuses what makes the beginning fail.
#include <kin/core/error.hpp>
#include <kin/log.hpp>
#include <kin/pool.hpp>

#include <gmock/gmock.h>

#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>
#include <iostream>
#include <mutex>

#include "process/life.hpp"
#include "support/refused_system_call.hpp"

using namespace kin_test;
using testing::HasSubstr;

namespace {

void refuse_fork() { ASSERT_TRUE(refuse(SYS_clone, EAGAIN, {.argument = 0, .mask = CLONE_VM, .value = 0})); }
void refuse_lifelines() { ASSERT_TRUE(refuse(SYS_fcntl, EPERM, {.argument = 1, .mask = ~0U, .value = F_SETSIG})); }

// In a copy of this process, which has nothing running yet. What it writes to stderr must be `printed`.
template <class Body>
void in_a_sandbox(Body body, const std::string& printed = {}) {
  temporary_folder folder;
  kin::process copy(kin::start::fork, {.err = kin::redirect::to(folder.path / "err")}, [&] {
    body();
    std::cout.flush();
    ::_exit(testing::Test::HasFailure() ? 1 : 42);
  });
  copy.join();
  EXPECT_EQ(copy.exitcode(), 42);
  EXPECT_EQ(contents(folder.path / "err"), printed);
}

std::string failure_of(auto start) {
  try {
    start();
  } catch (const kin::start_error& e) {
    return std::string("start_error: ") + e.what();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "none";
}

class quiet : public every_start {};
INSTANTIATE_TEST_SUITE_P(by, quiet, start_methods, start_name);

TEST(quiet_fork_server, that_may_not_fork_is_a_start_error_with_the_reason) {
  in_a_sandbox([] {
    refuse_fork();
    for (int i = 0; i < 2; ++i)
      EXPECT_THAT(failure_of([] { kin::process(kin::start::forkserver, [] {}).join(); }),
                  testing::AllOf(testing::StartsWith("start_error: "), HasSubstr("fork"),
                                 HasSubstr("Resource temporarily unavailable")));
    kin::process spawned([] {});
    spawned.join();
    EXPECT_EQ(spawned.exitcode(), 0);
  });
}

TEST(quiet_fork_server, that_may_not_begin_is_a_start_error_with_the_reason) {
  in_a_sandbox([] {
    refuse_lifelines();
    EXPECT_THAT(failure_of([] { kin::process(kin::start::forkserver, [] {}).join(); }),
                testing::AllOf(testing::StartsWith("start_error: "), HasSubstr("F_SETSIG"),
                               HasSubstr("Operation not permitted")));
  });
}

TEST_P(quiet, child_that_cannot_begin_is_told_to_the_log) {
  if (GetParam() == kin::start::forkserver) GTEST_SKIP() << "its server does not begin then";
  in_a_sandbox([] {
    refuse_lifelines();
    std::mutex mutex;
    std::string said;
    kin::set_log([&](const kin::log_record& r) {
      const std::lock_guard hold(mutex);
      said += r.text + "\n";
    });
    kin::process child(with(), [] {});
    child.join();
    EXPECT_EQ(child.exitcode(), 126);
    kin::set_log({});
    EXPECT_THAT(said, testing::AllOf(HasSubstr("could not begin"), HasSubstr("F_SETSIG")));
  });
}

TEST_P(quiet, child_that_cannot_begin_is_a_start_error_where_its_start_waits) {
  if (GetParam() == kin::start::fork) GTEST_SKIP() << "its arguments are in its memory";
  in_a_sandbox([] {
    refuse_lifelines();
    EXPECT_THAT(failure_of([] {
                  kin::process(
                      with(), [](const std::string&) {}, std::string(1 << 20, 'x'))
                      .join();
                }),
                testing::AllOf(testing::StartsWith("start_error: "), HasSubstr("F_SETSIG")));
  });
}

TEST_P(quiet, worker_that_cannot_begin_fails_what_waits_with_the_reason) {
  in_a_sandbox([] {
    refuse_lifelines();
    kin::pool workers({.workers = 2, .start = GetParam()});
    EXPECT_THAT(failure_of([&] { workers.apply([] {}); }),
                testing::AllOf(testing::StartsWith("start_error: "), HasSubstr("F_SETSIG")));
  });
}

}  // namespace
