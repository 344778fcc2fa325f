// SPDX-License-Identifier: BSL-1.0
// call_transportable_data: an exception with data of its own, registered without a codec.
// expect: kin: this exception has data of its own. Add a member  template <class Archive> void serialize(Archive& ar)
// errors: 1
#include <kin/wire/remote.hpp>

struct my_error : std::runtime_error {
  my_error() : runtime_error("") {}
  int code = 0;
};
inline const kin::transportable<my_error> registration;
