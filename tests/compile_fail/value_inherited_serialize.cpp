// SPDX-License-Identifier: BSL-1.0
// value_inherited_serialize: members that the inherited serialize() forgets.
// expect: kin: this class inherits its serialize() from a base, which does not know the members it has of its own
// errors: 1
#include <kin/wire/codec.hpp>

struct first {
  template <class Archive>
  void serialize(Archive& ar) {
    ar(n);
  }
  int n = 0;
};
struct second : first {
  double d = 0;
};
auto message = kin::detail::encode(second());
