// SPDX-License-Identifier: BSL-1.0
// name_tracker_starter: the process that removes names of shared memory when the root is killed is this program again,
// which never comes to its main().
#pragma once

namespace kin::detail {

/// From now on a root can start one (memory/name_tracker.hpp), but for a set-user-id program. After the runtime knows
/// what it starts children as.
void let_names_be_tracked();

/// In such a process, before the constructors of static objects. Throws nothing, and does not return.
[[noreturn]] void become_name_tracker() noexcept;

}  // namespace kin::detail
