// SPDX-License-Identifier: BSL-1.0
// shared_array_pointer: a struct with a pointer in an array.
// expect: kin: a raw pointer means nothing in another process.
#include <kin/array.hpp>

struct node {
  node* next;
};
void make() { const kin::array<node> a(5); }
