// SPDX-License-Identifier: BSL-1.0
// process_id: numbers of processes, where no pidfd is at hand.
#pragma once

#include <array>

namespace kin::os {

int own_pid() noexcept;
int parent_pid() noexcept;
int own_thread_id() noexcept;
/// Signals a process group; false when it has no members. The caller knows that its leader has not been reaped.
bool signal_group(int leader, int signal) noexcept;
/// Whether that process is in the group that has its number. The caller knows that it has not been reaped.
bool leads_process_group(int pid) noexcept;
/// The calling process leads a group of its own from now on.
void lead_process_group() noexcept;
/// Real and effective user and group.
std::array<unsigned, 4> own_credentials() noexcept;
/// Whether a child that ends stays a zombie until it is waited for: nobody ignores SIGCHLD, and no handler of the
/// user's may be waiting for all children.
bool leaves_ended_children() noexcept;
/// Waits for a child by number; only for one that nobody else knows of yet.
void reap_by_pid(int pid) noexcept;
/// The same, after killing it.
void kill_by_pid(int pid) noexcept;

}  // namespace kin::os
