// SPDX-License-Identifier: BSL-1.0
// crash_report: the parent's side of crash_handler: from raw addresses to a text with names.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace kin::os {

/// Text of the report that process `pid` left in the file, or empty when it left none (or a damaged one). The stack
/// ends before the first function whose name contains one of `entries`. Reads the file from its beginning.
std::string describe_crash(int fd, int pid, std::span<const std::string_view> entries);

}  // namespace kin::os
