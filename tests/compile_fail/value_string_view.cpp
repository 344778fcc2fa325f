// SPDX-License-Identifier: BSL-1.0
// value_string_view: a view as a member.
// expect: kin: std::string_view, std::span, std::initializer_list and std::reference_wrapper only point at data of this
// process. Send the owner errors: 1
#include <kin/wire/codec.hpp>

#include <string_view>
#include <vector>

struct entry {
  int n;
  std::string_view name;
};
auto message = kin::detail::encode(std::vector<entry>());
auto back = kin::detail::decode<std::vector<entry>>({});
