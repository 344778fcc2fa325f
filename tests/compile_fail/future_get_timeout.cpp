// SPDX-License-Identifier: BSL-1.0
// future_get_timeout: Python's get(timeout).
// expect: kin: write get_for(1s), which returns an std::optional
#include <chrono>
#include <kin/pool.hpp>

int call(const kin::future<int>& result) { return result.get(std::chrono::seconds(1)); }
