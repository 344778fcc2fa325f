// SPDX-License-Identifier: BSL-1.0
// fork_hooks: what this room does around fork().
#pragma once

namespace kin::detail {

/// Before the rooms above register theirs, once or more often: hooks run in reverse, and every lock of a room above is
/// taken before those of this room, by fork() as by everybody else.
void register_memory_fork_hooks();

/// In a forked copy: enters what it has handles of into its list of holds, once; until then they count as messages
/// under way, which nobody sees the end of should it be killed. Called by whoever joins the family; by kin's own copies
/// at once. Throws nothing: what cannot be entered stays counted.
void hold_what_was_forked() noexcept;

/// At the good end of a forked copy, which destroys no object of its own: leaves in peace what it still has handles of.
void leave_shared_objects() noexcept;

}  // namespace kin::detail
