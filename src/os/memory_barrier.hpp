// SPDX-License-Identifier: BSL-1.0
// memory_barrier: a fence that one side pays for both (man 2 membarrier). Who publishes often does so with a plain
// store and a plain look; who goes to sleep, seldom, calls heavy_barrier between its own store and its own look.
#pragma once

namespace kin::os {

/// Makes this process one that other processes' heavy_barrier() reaches. False: the kernel or a sandbox refuses; then
/// this process has to use fences. Threads started later are included; a forked copy is too.
bool register_for_heavy_barrier() noexcept;
/// Orders this thread's memory accesses against those of every running thread of every registered process. False:
/// refused.
bool heavy_barrier() noexcept;
/// Both, tried once: whether this process may publish with plain stores and sleep with heavy_barrier(). While it has
/// one thread that takes a microsecond; later, ten milliseconds: so init() asks first.
bool has_heavy_barrier() noexcept;

}  // namespace kin::os
