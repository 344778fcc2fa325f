// SPDX-License-Identifier: BSL-1.0
// call_starmap_items: a starmap over items that have no elements to call with.
// expect: starmap calls with the elements of each item as arguments, so the items must be tuples, pairs or arrays
// errors: 1
#include <kin/pool.hpp>

#include <vector>

void all(kin::pool& workers) {
  workers.starmap([](int n) { return n; }, std::vector{1, 2});
}
