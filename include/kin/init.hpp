// SPDX-License-Identifier: BSL-1.0
// Front door: kin::init(), the first statement of main().
#pragma once

#include <kin/process/init.hpp>  // IWYU pragma: export
