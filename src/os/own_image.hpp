// SPDX-License-Identifier: BSL-1.0
// own_image: what a forked child does to itself, with ordinary calls, to become what a launched one is from its start.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/resource.h>

#include <kin/os/unique_fd.hpp>

#include "os/surroundings.hpp"

namespace kin::os {

struct image_changes {
  std::vector<std::string> environment;          ///< all of it, NAME=VALUE; empty: the inherited one
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

/// While it lives, signals to this thread wait. A copy that is forked meanwhile begins so, and takes what was sent to
/// it when its image_plan has set the signals to their defaults: until then it has its parent's handlers.
class signals_wait {
 public:
  signals_wait() noexcept;
  signals_wait(const signals_wait&) = delete;
  signals_wait& operator=(const signals_wait&) = delete;
  ~signals_wait();

 private:
  unsigned long before_ = 0;  // as the kernel has it
};

/// fork(2), with stdio and iostreams flushed first so that nothing is printed twice. Throws os_error (EAGAIN, ENOMEM).
int fork_process();

/// What of the changes a copy of this process has to make, found out before the fork: what is so already costs the copy
/// nothing. Each page that a copy touches is a fault, and each first call of a library function a search for it.
class image_plan {
 public:
  explicit image_plan(image_changes wanted);
  /// Whether the system may refuse something that was asked for. If not, apply() as good as never fails.
  [[nodiscard]] bool can_be_refused() const noexcept;
  /// Whether the copy is to differ from `inherited` in what its own children get from it.
  [[nodiscard]] bool changes_surroundings() const noexcept { return changes_surroundings_; }
  /// In the copy: /dev/null as stdin, default signal dispositions and mask, then the changes, up to the first that is
  /// refused.
  [[nodiscard]] std::optional<refused_change> apply() const;

 private:
  [[nodiscard]] const std::vector<std::string>& environment() const noexcept {
    return wanted_.environment.empty() ? wanted_.inherited->environment : wanted_.environment;
  }
  [[nodiscard]] std::optional<refused_change> set_affinity() const;
  [[nodiscard]] std::optional<refused_change> set_limit(int resource, const rlimit& limit) const;

  image_changes wanted_;
  bool new_environment_, changes_surroundings_;
  std::vector<std::pair<int, rlimit>> new_limits_;
  std::optional<std::vector<std::byte>> new_affinity_;  // empty: a processor number that cannot be
};
/// In the forked child: calls `end` with the code when somebody calls exit(), before any exit handler of the parent.
void on_exit_of_copy(void (*end)(int code));
/// In the forked child: flushes stdio and iostreams and leaves without exit handlers, which are the parent's.
[[noreturn]] void leave_forked_image(int code);
/// Opens a file for a child's output; a relative path counts from this process's directory.
unique_fd open_output(const std::string& path, bool append);

}  // namespace kin::os
