// SPDX-License-Identifier: BSL-1.0
// robust_mutex: a mutex in memory that processes share. When a holder dies, the next one gets the lock and is told.
// For data whose committed state is always whole: the lock is made consistent at once, nothing is ever abandoned.
#pragma once

#include <pthread.h>

#include <kin/core/deadline.hpp>

namespace kin::os {

enum class lock_result { locked, owner_died, timed_out };

/// Lives in shared memory, zeroed before. Never destroyed: its memory goes when the last user goes.
class robust_mutex {
 public:
  /// Makes the lock; once, before anybody else can see it. Throws os_error.
  void make();
  /// owner_died: locked, and the one before died (or its thread ended) while holding it; every lock() after a death
  /// says so until one that was told unlocks. Throws os_error (EDEADLK: a signal handler came back to the lock that it
  /// interrupted; EINVAL: the memory was scribbled over).
  lock_result lock(deadline until);
  void unlock() noexcept;

 private:
  pthread_mutex_t mutex_;
};

}  // namespace kin::os
