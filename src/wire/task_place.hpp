// SPDX-License-Identifier: BSL-1.0
// task_place: which module a request's task lives in, without running it: for starters of processes that have to load
// that module first.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace kin::detail {

/// The encoded place of the task in a request made by encode_call. Throws decode_error: damaged.
std::string_view task_place(std::span<const std::byte> request);
/// Whether that is the program itself, which no other program can load.
bool lives_in_executable(std::string_view place);
/// Loads its module unless it is there. Throws decode_error: another build, not loadable.
void load_task(std::string_view place);

}  // namespace kin::detail
