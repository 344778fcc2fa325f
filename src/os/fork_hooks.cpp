// SPDX-License-Identifier: BSL-1.0
// fork_hooks: see the header.
#include "os/fork_hooks.hpp"

#include <pthread.h>

#include <cerrno>

#include <kin/core/error.hpp>

namespace kin::os {

void on_fork(void (*before)(), void (*in_parent)(), void (*in_child)()) {
  if (const int error = ::pthread_atfork(before, in_parent, in_child); error != 0)
    throw os_error("prepare for fork", "pthread_atfork", error);
}

std::mutex whole_over_fork, loader_over_fork;

void keep_whole_over_fork() {
  const auto free = [] {
    loader_over_fork.unlock();
    whole_over_fork.unlock();
  };
  on_fork(
      [] {
        whole_over_fork.lock();
        loader_over_fork.lock();
      },
      free, free);
}

}  // namespace kin::os
