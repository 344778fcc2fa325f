// SPDX-License-Identifier: BSL-1.0
// memory_limit: how much more memory this process may take, for a while.
#pragma once

#include <sys/resource.h>

#include <cstdint>

namespace kin::os {

/// While it lives, this process gets at most `more` bytes of private memory (RLIMIT_DATA) beyond what it has: then
/// allocations fail, so that `new` throws std::bad_alloc. Does nothing where the process has a lower limit already.
class memory_limit {
 public:
  explicit memory_limit(std::uint64_t more) noexcept;
  memory_limit(const memory_limit&) = delete;
  memory_limit& operator=(const memory_limit&) = delete;
  ~memory_limit();

 private:
  rlimit before_{};
  bool set_ = false;
};

}  // namespace kin::os
