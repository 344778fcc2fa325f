// SPDX-License-Identifier: BSL-1.0
// duplicate: a second owner of a descriptor, for values that are sent by const reference; and another number for one.
#pragma once

#include <kin/os/unique_fd.hpp>

namespace kin::os {

/// A close-on-exec duplicate of `fd`, numbered 3 or higher. Throws os_error (EMFILE, EBADF).
[[nodiscard]] KIN_EXPORT unique_fd duplicate(int fd);
/// The same descriptor under a number of 3 or higher. Where a program has closed 0, 1 or 2, what kin opens next would
/// get that number, and be written to by printf or replaced in a child. Throws os_error (EMFILE).
[[nodiscard]] KIN_EXPORT unique_fd above_standard(unique_fd fd);
/// Lets the open descriptor number `number` mean what `with` means. Throws os_error.
void replace(int number, int with);

}  // namespace kin::os
