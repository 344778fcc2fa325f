// SPDX-License-Identifier: BSL-1.0
// processors: how much of the machine this process may use.
#pragma once

#include <optional>
#include <string>

namespace kin::os {

/// Processors in this thread's affinity mask.
int processors_in_affinity() noexcept;
/// Processors of the machine that are switched on.
int processors_online() noexcept;
/// The one this thread runs on at this moment, or -1.
int current_processor() noexcept;
/// Has another thread of this process, which sleeps, run on the calling thread's processor when it is woken, there and
/// nowhere else. `last`: where it was brought before, -1 at first.
void bring_to_this_processor(int thread, int& last) noexcept;
/// Lets others run who wait for this processor.
void let_others_run() noexcept;
/// Moves this thread to another processor of its mask, if there is one; it may go back at any time.
void leave_processor() noexcept;
/// CPU quota of this process's cgroup and its ancestors (v2 cpu.max, v1 cpu.cfs_quota_us), in processors; empty: none.
/// Their files are looked for below `root`.
std::optional<double> cgroup_cpu_quota(const std::string& root = {});

}  // namespace kin::os
