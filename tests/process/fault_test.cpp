// SPDX-License-Identifier: BSL-1.0
// fault: every system call of a start fails once, for every likely reason: an error, and nothing is left.
#include <kin/core/error.hpp>
#include <kin/process/process.hpp>

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>
#include <exception>

#include "os/gate.hpp"
#include "process/life.hpp"

using namespace kin_test;

namespace {

class fault : public every_start {};
INSTANTIATE_TEST_SUITE_P(by, fault, start_methods, start_name);

TEST_P(fault, of_any_call_of_a_start_is_an_error_that_leaves_nothing) {
  temporary_folder folder;
  const auto options = with({.out = kin::redirect::to(folder.path / "out"), .err = kin::redirect::null()});
  for (const int error : {EMFILE, EAGAIN, ENOMEM}) {
    int n = 1, failures = 0;
    for (; n < 200; ++n) {
      kin::os::inject_fault(nullptr, n, error);
      bool threw = false;
      int seen = 0;
      try {
        kin::process child(options, [] {});
        seen = kin::os::calls_since_injection();
        kin::os::inject_fault(nullptr, 0, 0);
        child.join();
      } catch (const kin::os_error& e) {
        kin::os::inject_fault(nullptr, 0, 0);
        threw = true;
        ++failures;
        EXPECT_NE(e.code().value(), 0);
      } catch (const kin::start_error&) {
        kin::os::inject_fault(nullptr, 0, 0);
        threw = true;
        ++failures;
      }
      EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "call " << n << " left a child";
      if (!threw && seen < n) break;
    }
    EXPECT_LT(n, 200);
    EXPECT_GT(failures, 4);
  }
  kin::process child(options, [] {});
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}

TEST(fault, of_descriptors_running_out_is_an_error_that_leaves_nothing) {
  rlimit before{}, low{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  low = before;
  for (rlim_t most = 6; most < 40; ++most) {
    low.rlim_cur = most;
    // Looked at when there are descriptors again: UBSan's check of a dynamic type takes some.
    std::exception_ptr thrown;
    ::setrlimit(RLIMIT_NOFILE, &low);
    try {
      kin::process child([] {});
      child.join();
    } catch (...) {
      thrown = std::current_exception();
    }
    ::setrlimit(RLIMIT_NOFILE, &before);
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const kin::os_error& e) {
      EXPECT_EQ(e.code().value(), EMFILE) << e.what();
    }
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  }
}

}  // namespace
