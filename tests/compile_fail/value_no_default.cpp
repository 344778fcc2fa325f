// SPDX-License-Identifier: BSL-1.0
// value_no_default: a class with serialize() that the receiver cannot make.
// expect: kin: the receiver must make an object of this type before its serialize() can fill it
// errors: 1
#include <kin/wire/codec.hpp>

class account {
 public:
  explicit account(int n) : n_(n) {}
  template <class Archive>
  void serialize(Archive& ar) {
    ar(n_);
  }

 private:
  int n_;
};
auto message = kin::detail::encode(account(1));
auto back = kin::detail::decode<account>({});
