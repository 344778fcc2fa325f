// SPDX-License-Identifier: BSL-1.0
// environment: what a child finds in its environment, and the mark KIN_CHILD=DESCRIPTOR:PARENT:DEPTH that makes it one.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace kin::detail {

struct child_mark {
  int parent_pid;
  int depth;
};
/// The depth in the mark of a process that is no child (process/name_tracker_starter.hpp).
inline constexpr int name_tracker_depth = -1;
/// The mark, if there is one.
std::optional<child_mark> find_child_mark();
/// Reads and removes the mark, so that programs this one starts are not taken for children.
std::optional<child_mark> take_child_mark();

/// The environment of a child: as at init(), changed by `extra`.
std::vector<std::string> child_environment(const std::vector<std::string>& at_init,
                                           const std::map<std::string, std::string>& extra);
/// The entry that makes a child of a program that begins with it.
std::string entry_of(const child_mark& mark);
/// Has the loader look for all functions when the program starts (man 8 ld.so), and the program forget that it was told
/// so. For an environment that has its mark.
void bind_at_start(std::vector<std::string>& environment);
/// The entry that tells kin-worker which module holds kin (src/worker/main.cpp).
std::string library_entry(const std::string& library);

}  // namespace kin::detail
