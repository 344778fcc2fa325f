// SPDX-License-Identifier: BSL-1.0
// own_image: what a forked child does to itself, with ordinary calls, to become what a launched one is from its start.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/resource.h>

#include <kin/os/unique_fd.hpp>

#include "os/surroundings.hpp"

namespace kin::os {

struct image_changes {
  std::vector<std::string> environment;          ///< all of it, NAME=VALUE
  std::string working_directory;                 ///< empty: `inherited.directory`
  std::vector<std::pair<int, int>> descriptors;  ///< {number to be, number here}
  std::vector<std::pair<int, rlimit>> limits;    ///< instead of the inherited ones
  std::vector<int> affinity;                     ///< processor numbers; empty: the inherited mask
  bool own_process_group = false;
  const surroundings* inherited = nullptr;
};

/// A change that the system refused: the arguments of an os_error.
struct refused_change {
  std::string doing, call;
  int error = 0;
};

/// fork(2), with stdio and iostreams flushed first so that nothing is printed twice. Throws os_error (EAGAIN, ENOMEM).
int fork_process();
/// In the forked child: /dev/null as stdin, default signal dispositions and mask, then the changes, up to the first
/// that is refused.
std::optional<refused_change> change_own_image(const image_changes& changes);
/// In the forked child: calls `end` with the code when somebody calls exit(), before any exit handler of the parent.
void on_exit_of_copy(void (*end)(int code));
/// In the forked child: flushes stdio and iostreams and leaves without exit handlers, which are the parent's.
[[noreturn]] void leave_forked_image(int code);
/// Opens a file for a child's output; a relative path counts from this process's directory.
unique_fd open_output(const std::string& path, bool append);

}  // namespace kin::os
