// SPDX-License-Identifier: BSL-1.0
// python_pool: what the tests of Pool and of the executors share: pools by every start method, and functions.
#pragma once

#include "contracts/pool_contract.hpp"

namespace kin_test {

inline int multiply(int a, int b) { return a * b; }
inline int throw_for_negative(int n) {
  if (n < 0) throw std::domain_error("negative: " + std::to_string(n));
  return n;
}

/// An input that throws where item number `bad` would be.
struct failing_input {
  int bad;
  struct iterator {
    using value_type = int;
    using difference_type = std::ptrdiff_t;
    int at = 0, bad = 0;
    int operator*() const {
      if (at == bad) throw std::underflow_error("the input failed at " + std::to_string(at));
      return at;
    }
    iterator& operator++() {
      ++at;
      return *this;
    }
    void operator++(int) { ++at; }
    friend bool operator==(const iterator& i, std::default_sentinel_t) { return i.at > i.bad; }
  };
  [[nodiscard]] iterator begin() const { return {0, bad}; }
  [[nodiscard]] static std::default_sentinel_t end() { return {}; }
};

}  // namespace kin_test
