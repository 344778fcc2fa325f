// SPDX-License-Identifier: BSL-1.0
// room_for_descriptors: a process that is nearly out of descriptors.
#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <vector>

#include <kin/os/unique_fd.hpp>

namespace kin_test {

/// Room for `left` more descriptors, until it goes.
class room_for_descriptors {
 public:
  explicit room_for_descriptors(unsigned left) {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    std::vector<kin::unique_fd> held;
    for (unsigned i = 0; i <= left; ++i) held.emplace_back(::dup(STDERR_FILENO));
    rlimit lower = before_;
    lower.rlim_cur = static_cast<rlim_t>(held.back().get());  // the lowest free ones were given in their order
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &lower), 0);
  }
  room_for_descriptors(const room_for_descriptors&) = delete;
  room_for_descriptors& operator=(const room_for_descriptors&) = delete;
  ~room_for_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace kin_test
