// SPDX-License-Identifier: BSL-1.0
// fork_hooks: functions that run around every fork() of this process, the user's own included.
#pragma once

namespace kin::os {

void on_fork(void (*before)(), void (*in_parent)(), void (*in_child)());

}  // namespace kin::os
