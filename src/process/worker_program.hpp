// SPDX-License-Identifier: BSL-1.0
// worker_program: kin-worker, the program that children begin in where this process's own knows nothing of kin
// (kin::set_executable). It loads the module that holds kin and calls kin_serve_as_worker there, which is kin::init()
// in a child; the task's own module is loaded before the child says hello, so that a failure is a start_error.
#pragma once

#include <string>

#include <kin/process/child.hpp>
#include <kin/wire/parcel.hpp>

namespace kin::detail {

/// The place of the call's task, if a child of this process has to load it first; else empty. Throws start_error: the
/// task cannot be loaded elsewhere, or kin itself was replaced on disk.
std::string task_to_load(const parcel& call);

/// After a child in kin-worker was launched, and told who it is: waits until it has loaded its task. Throws
/// start_error.
void await_loaded(child& started, child_role role);

}  // namespace kin::detail
