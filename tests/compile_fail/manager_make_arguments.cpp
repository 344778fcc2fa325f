// SPDX-License-Identifier: BSL-1.0
// manager_make_arguments: arguments that the class has no constructor for.
// expect: no constructor for these arguments
// errors: 1
#include <kin/manager.hpp>

class counter {
 public:
  explicit counter(int n) : n_(n) {}

 private:
  int n_;
};

void call(const kin::manager& m) { (void)m.make<counter>("one", 2); }
