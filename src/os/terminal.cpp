// SPDX-License-Identifier: BSL-1.0
// terminal: see the header.
#include "os/terminal.hpp"

#include <unistd.h>

namespace kin::os {

bool is_terminal(int fd) noexcept { return ::isatty(fd) == 1; }

}  // namespace kin::os
