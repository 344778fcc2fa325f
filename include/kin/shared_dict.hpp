// SPDX-License-Identifier: BSL-1.0
// Front door: kin::shared_dict.
#pragma once

#include <kin/process/init.hpp>        // IWYU pragma: export
#include <kin/shared/shared_dict.hpp>  // IWYU pragma: export
#include <kin/wire/repr.hpp>           // IWYU pragma: export
