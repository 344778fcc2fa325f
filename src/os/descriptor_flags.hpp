// SPDX-License-Identifier: BSL-1.0
// descriptor_flags: one flag of one descriptor.
#pragma once

namespace kin::os {

/// Throws os_error (EBADF).
void set_close_on_exec(int fd);
bool is_open(int fd) noexcept;

}  // namespace kin::os
