// SPDX-License-Identifier: BSL-1.0
// start_plan: what all ways to start a process make of its options, before anything is started.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <kin/os/unique_fd.hpp>
#include <kin/process/child.hpp>
#include <kin/process/process_options.hpp>

#include "os/launch.hpp"
#include "os/own_image.hpp"
#include "process/bootstrap.hpp"
#include "process/runtime.hpp"

namespace kin::detail {

/// A file opened for a redirection lives until the child has its own copy.
struct opened_output {
  std::vector<std::pair<int, int>> descriptors;  ///< {1 or 2, number here}
  std::vector<unique_fd> files;
};
opened_output open_redirections(const process_options& options);

/// Where the crash handler of a worker or server writes; empty for plain processes.
unique_fd make_crash_file(child_role role);

introduction introduce(const process_options& options, child_role role, const runtime::child_name& name);
os::launch_request launch_request_for(const process_options& options, child_role role, const opened_output& output);
os::image_changes image_changes_for(const process_options& options, child_role role, const opened_output& output);

/// The failure that a refused_frame tells; without a call it becomes a start_error.
parcel encode_refusal(const os::refused_change& refused);
[[noreturn]] void throw_refusal(parcel message);
std::string text_of_refusal(parcel message);

}  // namespace kin::detail
