// SPDX-License-Identifier: BSL-1.0
// value_pointer: a raw pointer in a struct.
// expect: kin: a raw pointer means nothing in another process. Send the value, a std::string instead of const char*
// errors: 1
#include <kin/wire/codec.hpp>

struct entry {
  int n;
  const char* name;
};
auto message = kin::detail::encode(entry{1, "x"});
auto back = kin::detail::decode<entry>({});
