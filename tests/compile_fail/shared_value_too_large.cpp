// SPDX-License-Identifier: BSL-1.0
// shared_value_too_large: a value of a byte more than the most.
// expect: kin: a value of more than a mebibyte; use kin::array<T>(1)
// errors: 1
#include <kin/value.hpp>

struct largest {
  char bytes[(1 << 20) - 64];
};
struct too_large {
  char bytes[(1 << 20) - 63];
};

void make() {
  const kin::value<largest> fits;
  const kin::value<too_large> does_not;
}
