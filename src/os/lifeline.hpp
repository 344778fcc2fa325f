// SPDX-License-Identifier: BSL-1.0
// lifeline: a pipe that nobody writes to. The kernel kills the process that has armed the reading end as soon as the
// last copy of the writing end is closed, be it by SIGKILL of its owner. No thread has to watch.
#pragma once

#include <utility>

#include <kin/os/unique_fd.hpp>

namespace kin::os {

/// {end of the child, end of the parent}.
std::pair<unique_fd, unique_fd> make_lifeline();
/// In the child: from now on the parent's death kills this process. Ends the process at once when the parent is
/// already gone. Takes the descriptor for good. Throws os_error.
void arm_lifeline(unique_fd end);

}  // namespace kin::os
