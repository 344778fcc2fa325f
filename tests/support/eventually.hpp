// SPDX-License-Identifier: BSL-1.0
// eventually: for what another process or thread does without telling.
#pragma once

#include <chrono>
#include <thread>

namespace kin_test {

/// Until `done`, which comes soon unless something hangs.
template <class Done>
bool eventually(Done done) {
  using namespace std::chrono_literals;
  using steady = std::chrono::steady_clock;
  for (const auto limit = steady::now() + 20s; steady::now() < limit; std::this_thread::sleep_for(1ms))
    if (done()) return true;
  return done();
}

}  // namespace kin_test
