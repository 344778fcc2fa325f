// SPDX-License-Identifier: BSL-1.0
// init: where child processes begin their life.
#pragma once

#include <kin/core/export.hpp>

namespace kin {

/// Must be the first statement of main(). In a program started by the user it records the surroundings (environment,
/// directory, limits …) that children start with, and returns. In a child that kin started it runs the child's work
/// and never returns: it ends in std::exit. Call it while the program has one thread. Calling it again does nothing.
/// A set-user-id program started as a child exits at once with 126.
KIN_EXPORT void init();

namespace detail {
/// Throws start_error with the sentence that says what to write, unless init() has run and children may be started.
KIN_EXPORT void require_init();
}  // namespace detail

}  // namespace kin
