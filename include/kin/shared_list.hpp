// SPDX-License-Identifier: BSL-1.0
// Front door: kin::shared_list.
#pragma once

#include <kin/process/init.hpp>        // IWYU pragma: export
#include <kin/shared/shared_list.hpp>  // IWYU pragma: export
#include <kin/wire/repr.hpp>           // IWYU pragma: export
