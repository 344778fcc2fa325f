// SPDX-License-Identifier: BSL-1.0
// spawner_warm_up: brings kin's spawner thread and fork server to life before anything is counted, in every test
// program.
#if __has_include(<kin/process/process.hpp>)
#include <kin/process/process.hpp>

#include "support/leaves_nothing_behind.hpp"

namespace {
void nothing() {}
const bool warm = kin_test::warm_up([] {
  kin::process(nothing).join();
  kin::process(kin::start::forkserver, nothing).join();
});
}  // namespace
#endif
