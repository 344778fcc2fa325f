// SPDX-License-Identifier: BSL-1.0
// call_private_state: a function object with private members.
// expect: this callable has captures (or private state)
// errors: 1
#include <kin/wire/call.hpp>

class job {
 public:
  explicit job(int n) : n_(n) {}
  int operator()() const { return n_; }

 private:
  int n_;
};
auto request = kin::detail::encode_call(job(1));
