// SPDX-License-Identifier: BSL-1.0
// value_inherited_in_padding: a member that the inherited serialize() forgets, and that no size shows.
// expect: kin: this class inherits its serialize() from a base, which does not know the members it has of its own
// errors: 1
#include <kin/wire/codec.hpp>

struct shape {
  int id = 0;
  char kind = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(id, kind);
  }
};
struct marked : shape {
  char mark = 0;
};
auto message = kin::detail::encode(marked());
