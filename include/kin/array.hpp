// SPDX-License-Identifier: BSL-1.0
// Front door: kin::array.
#pragma once

#include <kin/process/init.hpp>  // IWYU pragma: export
#include <kin/shared/array.hpp>  // IWYU pragma: export
