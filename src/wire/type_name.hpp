// SPDX-License-Identifier: BSL-1.0
// type_name: names of types and functions as people write them: std::string, not std::__cxx11::basic_string<...>.
#pragma once

#include <string>
#include <typeinfo>

namespace kin::detail {

/// A mangled name, demangled and shortened; as it is when it cannot be demangled.
std::string readable_name(const char* mangled);
inline std::string readable_name(const std::type_info& type) { return readable_name(type.name()); }

/// The name of a task: "lambda in main", "function int(std::string)", the class's name.
std::string callee_name(const std::type_info& callee);

}  // namespace kin::detail
