// SPDX-License-Identifier: BSL-1.0
// value_tuple_protocol: a plain struct whose structured bindings are copies.
// expect: kin: this struct has std::tuple_size and get() of its own
// errors: 1
#include <kin/wire/codec.hpp>

#include <string>
#include <tuple>

struct person {
  std::string name;
  int age;
  template <std::size_t I>
  auto get() const {
    if constexpr (I == 0)
      return name;
    else
      return age;
  }
};
template <>
struct std::tuple_size<person> : std::integral_constant<std::size_t, 2> {};
template <>
struct std::tuple_element<0, person> {
  using type = std::string;
};
template <>
struct std::tuple_element<1, person> {
  using type = int;
};
auto message = kin::detail::encode(person{"a", 1});
