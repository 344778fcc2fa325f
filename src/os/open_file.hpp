// SPDX-License-Identifier: BSL-1.0
// open_file: which file a descriptor leads to, to see whether somebody has closed it, or put another one in its place.
#pragma once

#include <cstdint>

namespace kin::os {

struct open_file {
  std::uint64_t device = 0, number = 0;
  friend bool operator==(const open_file&, const open_file&) = default;
};
/// All zero for a descriptor that is not open.
open_file file_behind(int fd) noexcept;

}  // namespace kin::os
