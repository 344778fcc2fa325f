// SPDX-License-Identifier: BSL-1.0
// value_private_members: a class of which nothing is known.
// expect: kin: don't know how to send this type to another process. Do one of: (1) make it a plain struct
// errors: 1
#include <kin/wire/codec.hpp>

#include <vector>

class account {
 public:
  explicit account(int n) : n_(n) {}
  int n() const { return n_; }

 private:
  int n_;
};
auto message = kin::detail::encode(std::vector<account>());
auto back = kin::detail::decode<std::vector<account>>({});
