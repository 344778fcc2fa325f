// SPDX-License-Identifier: BSL-1.0
// memory_use: how much memory this process has used, and whether the kernel has been killing for want of it.
#pragma once

#include <cstdint>

namespace kin::os {

/// Most bytes that were resident at once.
std::uint64_t peak_resident_memory() noexcept;
/// The same for a process that was forked and has not exec'ed since: cheaper.
std::uint64_t peak_since_fork() noexcept;
/// Bytes that are resident now; 0 where /proc cannot be read.
std::uint64_t resident_memory() noexcept;
/// Bytes of private writable memory, resident or not: what RLIMIT_DATA counts, and the stack.
std::uint64_t private_memory() noexcept;
/// How often the kernel's out-of-memory killer has struck since boot, memory cgroups included (/proc/vmstat oom_kill);
/// 0 where that cannot be read.
std::uint64_t oom_kills() noexcept;

}  // namespace kin::os
