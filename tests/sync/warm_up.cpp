// SPDX-License-Identifier: BSL-1.0
// warm_up: what the first use of kin leaves open until the process ends, before the fixture counts.
#include <kin/event.hpp>
#include <kin/process.hpp>

#include "support/leaves_nothing_behind.hpp"

namespace {

[[maybe_unused]] const bool warm = kin_test::warm_up([] {
  const kin::event e;
  kin::process([] {}).join();
});

}  // namespace
