// SPDX-License-Identifier: BSL-1.0
// error_categories: by their names, which is all that another process can say of one.
#pragma once

#include <string>
#include <string_view>
#include <system_error>

namespace kin::detail {

/// One of the standard library's; null for any other name.
const std::error_category* standard_category(std::string_view name) noexcept;

/// Stands for a category that only its process knows: one object for each name as long as the process lives; it says
/// `message` for `value` from now on. Thread-safe.
const std::error_category& category_told(const std::string& name, int value, std::string message);

/// So that a copy by fork finds them whole. Once, while the process has one thread.
void prepare_error_categories_for_fork();

}  // namespace kin::detail
