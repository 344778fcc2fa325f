// SPDX-License-Identifier: BSL-1.0
// manager_list_assignment: names[0] = "x", as in Python, which would change a copy.
// expect-gcc: no match for 'operator='
// expect-clang: no viable overloaded '='
#include <string>

#include <kin/manager.hpp>

void call(const kin::list_proxy<std::string>& names) { names[0] = "x"; }
