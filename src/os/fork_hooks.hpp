// SPDX-License-Identifier: BSL-1.0
// fork_hooks: functions that run around every fork() of this process, the user's own included.
#pragma once

#include <mutex>

namespace kin::os {

void on_fork(void (*before)(), void (*in_parent)(), void (*in_child)());

/// The lock of what a process has one of and a copy by fork is to find whole: a fork waits until it is free, whichever
/// thread forks. Held for a look or a change that calls nobody who takes another lock. One for all, because each lock
/// elsewhere is a page more that both processes have to copy.
extern std::mutex whole_over_fork;
/// The same for the loader's own lock, which nobody can make free in a copy: held around what takes that.
extern std::mutex loader_over_fork;
/// Once, while the process has one thread; before hooks for locks that are held while this one is taken.
void keep_whole_over_fork();

}  // namespace kin::os
