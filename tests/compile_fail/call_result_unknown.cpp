// SPDX-License-Identifier: BSL-1.0
// call_result_unknown: a result that cannot be sent.
// expect: kin: don't know how to send this type to another process
// errors: 1
#include <kin/wire/call.hpp>

class account {
 public:
  explicit account(int n) : n_(n) {}

 private:
  int n_;
};
auto request = kin::detail::encode_call([] { return account(1); });
