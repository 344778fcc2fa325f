// SPDX-License-Identifier: BSL-1.0
// shared_dict_assignment: ages["x"].push_back(1), which would change a copy.
// expect-gcc: discards qualifiers
// expect-clang: no matching member function
// errors: 1
#include <string>
#include <vector>

#include <kin/shared_dict.hpp>

void call(const kin::shared_dict<std::string, std::vector<int>>& ages) { ages["x"].push_back(1); }
