// SPDX-License-Identifier: BSL-1.0
// duplicate: a second owner of a descriptor, for values that are sent by const reference.
#pragma once

#include <kin/os/unique_fd.hpp>

namespace kin::os {

/// A close-on-exec duplicate of `fd`, numbered 3 or higher. Throws os_error (EMFILE, EBADF).
[[nodiscard]] KIN_EXPORT unique_fd duplicate(int fd);

}  // namespace kin::os
