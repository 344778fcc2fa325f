// SPDX-License-Identifier: BSL-1.0
// value_derived_container: a class derived from a container, whose own members nobody would send.
// expect: kin: a struct with a base class needs a member that says what to send
// errors: 1
#include <kin/wire/codec.hpp>

#include <string>
#include <vector>

class samples : public std::vector<double> {
 public:
  samples() {}
  std::string unit;
};
auto message = kin::detail::encode(samples());
