// SPDX-License-Identifier: BSL-1.0
// scenario_part: a share of a scenario's kill points, where all of them are more than one test has time for.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sync/course.hpp"
#include "sync/stepped.hpp"

namespace kin_test {

/// All instructions of an operation, or of a long one those whose number leaves `rest` when divided by `whole.parts`.
template <class Scenario>
struct scenario_part {
  Scenario whole;
  long rest;

  [[nodiscard]] kill_points points() const { return {rest, whole.parts}; }
};

template <class Scenario>
std::vector<scenario_part<Scenario>> parts_of(const std::vector<Scenario>& scenarios) {
  std::vector<scenario_part<Scenario>> all;
  for (const Scenario& s : scenarios)
    for (long rest = 0; rest < s.parts; ++rest) all.push_back({s, rest});
  return all;
}

/// The name of a test with a part as its parameter.
inline constexpr auto part_name = []<class Scenario>(const testing::TestParamInfo<scenario_part<Scenario>>& of) {
  const scenario_part<Scenario>& p = of.param;
  const std::string name = scenario_name(testing::TestParamInfo<Scenario>(p.whole, 0));
  return p.whole.parts == 1 ? name : name + "_part_" + std::to_string(p.rest + 1);
};

}  // namespace kin_test
