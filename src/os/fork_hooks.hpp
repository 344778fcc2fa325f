// SPDX-License-Identifier: BSL-1.0
// fork_hooks: functions that run around every fork() of this process, the user's own included.
#pragma once

#include <new>
#include <type_traits>

namespace kin::os {

void on_fork(void (*before)(), void (*in_parent)(), void (*in_child)());

/// For a lock of the whole process, at namespace scope: a fork waits until it is free, so that what it guards is whole
/// in the copy, and the lock free, whichever thread forks. Once, while the process has one thread; before those of
/// locks that are held while this one is taken.
template <auto& lock>
void keep_whole_over_fork() {
  using mutex = std::remove_reference_t<decltype(lock)>;
  on_fork([] { lock.lock(); }, [] { lock.unlock(); }, [] { new (&lock) mutex; });
}

}  // namespace kin::os
