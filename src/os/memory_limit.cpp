// SPDX-License-Identifier: BSL-1.0
// memory_limit: RLIMIT_DATA counts private writable memory since Linux 4.7 (man 2 setrlimit); RLIMIT_AS would also
// count what is only reserved, such as malloc's arenas.
#include "os/memory_limit.hpp"

#include "os/memory_use.hpp"

namespace kin::os {

memory_limit::memory_limit(std::uint64_t more) noexcept {
  if (::getrlimit(RLIMIT_DATA, &before_) != 0) return;
  const std::uint64_t used = private_memory();
  const rlim_t wanted = more < RLIM_INFINITY - used ? used + more : RLIM_INFINITY;
  if (before_.rlim_cur != RLIM_INFINITY && before_.rlim_cur <= wanted) return;
  const rlimit lower{wanted, before_.rlim_max};
  set_ = ::setrlimit(RLIMIT_DATA, &lower) == 0;
}

memory_limit::~memory_limit() {
  if (set_) ::setrlimit(RLIMIT_DATA, &before_);
}

}  // namespace kin::os
