// SPDX-License-Identifier: BSL-1.0
// task_lane: its worker is killed and stopped at its instructions, and its protocol is broken in one place each, which
// protocol/lane_protocol.cpp must notice.
#if defined(KIN_LANE_PROTOCOL) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "faults/protocol_run.hpp"

namespace {

using kin_test::run_protocol;

TEST(lane_protocol, holds_wherever_a_worker_is_killed_or_stopped) {
  const auto run = run_protocol(KIN_LANE_PROTOCOL, "", "");
  EXPECT_EQ(run.status, 0);
  std::printf("%s", run.said.c_str());
}

struct broken {
  const char* mutant;
  const char* check;  // that has to notice
};
class lane_mutant : public testing::TestWithParam<broken> {};

TEST_P(lane_mutant, is_caught) {
  const auto run = run_protocol(KIN_LANE_PROTOCOL, GetParam().mutant, GetParam().check);
  EXPECT_EQ(run.status, 1) << "nobody has noticed: " << GetParam().mutant << '\n' << run.said;
}

constexpr broken all_broken[] = {
    {"pool: bell not rung", "a sleeping worker is woken"},
    {"worker: bell not rung", "a sleeping pool is woken"},
    {"worker: last look left out", "no wake is lost on the way to sleep"},
    {"worker: tells nobody before it sleeps", "who goes hides no outcome"},
    {"worker: begins unannounced", "kills lose one task at most"},
    {"worker: begins unannounced", "what is taken back is not run"},
    {"worker: begins although tasks are taken back", "what is taken back is not run"},
    {"worker: answers before it has written", "kills lose one task at most"},
};
INSTANTIATE_TEST_SUITE_P(, lane_mutant, testing::ValuesIn(all_broken), [](const auto& of) {
  std::string name = std::string(of.param.mutant) + " " + of.param.check;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
});

}  // namespace

#endif
