// SPDX-License-Identifier: BSL-1.0
// shared_value_string: a std::string in a value.
// expect: kin: only what can be copied byte by byte can lie in shared memory: numbers, enums, and structs and arrays of
// them.
#include <kin/value.hpp>

#include <string>

void make() { const kin::value<std::string> v; }
