// SPDX-License-Identifier: BSL-1.0
// shared_list, shared_dict: their protocol is broken in one place each, and their single-stepping tests
// (shared/killed_at_every_instruction_test.cpp) must notice.
#if defined(KIN_SHARED_PROTOCOL) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "faults/protocol_run.hpp"

namespace {

struct broken {
  const char* mutant;
  const char* scenario;  // that has to notice
  int kills = 1000;      // that is, after each instruction: one alone may tell
};
class long_shared_mutant : public testing::TestWithParam<broken> {};

kin_test::protocol_run run_scenario(const broken& b, const std::string& mutant) {
  const std::string settings = "KIN_MUTANT=\"" + mutant + "\" KIN_KILLS=" + std::to_string(b.kills) + " ";
  return kin_test::run_protocol(settings + KIN_SHARED_PROTOCOL,
                                std::string("--gtest_filter=in/shared_killed_at.*/") + b.scenario, "");
}

TEST_P(long_shared_mutant, is_caught) {
  const auto whole = run_scenario({GetParam().mutant, GetParam().scenario, 12}, "");
  EXPECT_EQ(whole.status, 0) << whole.said;
  EXPECT_NE(whole.said.find("1 test from 1 test suite ran"), std::string::npos) << whole.said;
  const auto run = run_scenario(GetParam(), GetParam().mutant);
  EXPECT_EQ(run.status, 1) << "nobody has noticed: " << GetParam().mutant << '\n' << run.said;
  // Not said of what fails by an exception.
  const auto at = std::min(run.said.find("killed after instruction"), run.said.size());
  std::printf("             %s\n", run.said.substr(at, run.said.find('\n', at) - at).c_str());
}

constexpr broken all_broken[] = {
    {"used before its entry", "set_a_new_key"},
    {"block before its bytes", "set_in_the_spare_block"},
    {"written where all look", "set_in_the_spare_block"},
    {"pending never said", "set_a_record"},
    {"pending before its value", "set_a_record"},
    {"pending not written again", "set_a_record"},
    {"living not counted again", "erase_a_number"},
    {"lock taken over without repair", "erase_a_number"},
    {"lock taken over without repair", "set_a_record"},
    {"version before its contents", "set_a_number_that_makes_the_dict_larger"},
    {"span given away before another counts", "set_that_needs_a_larger_span"},
    {"length before the elements", "extend"},
};
INSTANTIATE_TEST_SUITE_P(, long_shared_mutant, testing::ValuesIn(all_broken), [](const auto& of) {
  std::string name = std::string(of.param.mutant) + " " + of.param.scenario;
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
});

}  // namespace

#endif
