// SPDX-License-Identifier: BSL-1.0
// Promise 24: a full /dev/shm is an os_error when named memory is made, never SIGBUS. It is really full, in a program
// with a /dev/shm of its own (limits/full_tmpfs.cpp); tests/shared has the injected fault, for systems that refuse
// that.
#include <gtest/gtest.h>

#include "faults/protocol_run.hpp"

namespace {

TEST(named_memory, is_an_error_where_dev_shm_is_full) {
  const auto done = kin_test::run_command(KIN_FULL_TMPFS);
  if (done.status == 77) GTEST_SKIP() << "this system lets nobody have a /dev/shm of its own: " << done.said;
  EXPECT_EQ(done.status, 0) << done.said;
}

}  // namespace
