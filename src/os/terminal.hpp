// SPDX-License-Identifier: BSL-1.0
// terminal: is somebody looking?
#pragma once

namespace kin::os {

bool is_terminal(int fd) noexcept;

}  // namespace kin::os
