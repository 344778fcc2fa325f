// SPDX-License-Identifier: BSL-1.0
// value_polymorphic_pointer: a pointer to a polymorphic base without derived_types.
// expect: kin: this pointer is to a class with virtual functions, so it may point at an object of any derived class.
// List them errors: 1
#include <kin/wire/codec.hpp>

struct shape {
  virtual ~shape() = default;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(n);
  }
  int n = 0;
};
auto message = kin::detail::encode(std::unique_ptr<shape>());
auto back = kin::detail::decode<std::unique_ptr<shape>>({});
