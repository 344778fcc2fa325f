// SPDX-License-Identifier: BSL-1.0
// init: where child processes begin their life.
#pragma once

#include <string>

#include <kin/core/export.hpp>

namespace kin {

/// Must be the first statement of main(). In a program started by the user it records the surroundings (environment,
/// directory, limits …) that children start with, and returns. In a child that kin started it runs the child's work
/// and never returns: it ends in std::exit. Call it while the program has one thread. Calling it again does nothing.
/// A set-user-id program started as a child exits at once with 126.
KIN_EXPORT void init();

/// For code without a main() of its own, in a program that never calls init(): a plugin, an extension module. Names the
/// program that this process's children begin in, kin-worker, which kin installs; without a path: the one installed
/// with this libkin.so. kin-worker loads the module that holds kin, and the module that a task lives in, by path and
/// build-id; so a task must live in a shared library or plugin, not in the host program. Takes the surroundings that
/// children start with, like init(). Where init() has run the program can start itself: the path is only checked.
/// From then on the module that holds kin stays loaded. Throws start_error: no such program, or kin is part of the host
/// program itself. Call it before the first child; a later call names another program for those to come.
KIN_EXPORT void set_executable(const std::string& program = {});

namespace detail {
/// Throws start_error with the sentence that says what to write, unless init() has run and children may be started.
KIN_EXPORT void require_init();
}  // namespace detail

}  // namespace kin
