// SPDX-License-Identifier: BSL-1.0
// call_argument_pool: a pool handed to a process; std::move would not help.
// expect: kin: a process, a pool or a manager stays with the process that made it
// errors: 1
#include <kin/pool.hpp>
#include <kin/process.hpp>

int main() {
  kin::pool workers(2);
  kin::process child([](kin::pool& p) { p.apply([](int n) { return n; }, 1); }, workers);
}
