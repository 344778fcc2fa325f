// SPDX-License-Identifier: BSL-1.0
// shared_value_function: a function's address in memory of several processes.
// expect: kin: a function pointer or a std::error_code holds an address, which is another one in each process
// errors: 1
#include <kin/value.hpp>

struct operation {
  int (*function)(int);
  int number;
};
void make() { const kin::value<operation> v(operation{}); }
