// SPDX-License-Identifier: BSL-1.0
// value_ordered_by_state: a set that orders its elements by a function pointer.
// expect: kin: this container orders or compares its elements by an object that is not empty
// errors: 1
#include <kin/wire/codec.hpp>

#include <set>

bool down(int a, int b) { return a > b; }
auto message = kin::detail::encode(std::set<int, bool (*)(int, int)>({1, 2}, &down));
