// SPDX-License-Identifier: BSL-1.0
// pipe: its two sides are stopped and killed at their instructions, and its protocol is broken in one place each, which
// protocol/pipe_protocol.cpp must notice.
#if defined(KIN_PIPE_PROTOCOL) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <sstream>
#include <string>
#include <vector>

#include "faults/protocol_run.hpp"

namespace {

using kin_test::run_protocol;

// Of the program, in its order.
constexpr std::array checks = {
    "who waits is woken",
    "messages come out as they went in",
    "a closed end is heard of",
    "who has seen a message may leave",
    "no message is missed on the way to sleep",
    "no room is missed on the way to sleep",
    "a slow ringer silences no later ring",
    "a bell set anew is left alone",
    "both in turn come to their end",
    "bytes are not overwritten while they are read",
    "a killed sender leaves whole messages",
    "a copy of a killed sender's end goes on",
    "a copy of a killed receiver's end goes on",
    "pollers see what is there",
    "pollers see no more than there is",
    "no message is missed between two processors",
    "no room is missed between two processors",
};

std::string as_name(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return text;
}

TEST(pipe_protocol, holds_wherever_a_side_is_stopped_or_killed) {
  const auto run = run_protocol("KIN_POINTS=5 KIN_ROUNDS=4 " KIN_PIPE_PROTOCOL, "", "");
  EXPECT_EQ(run.status, 0) << run.said;
  std::printf("%s", run.said.c_str());
  std::vector<std::string> expected(checks.begin(), checks.end()), seen;
  expected.emplace_back("holds");
  std::istringstream lines(run.said);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("  ") && !line.starts_with("   ")) seen.push_back(line.substr(2));
  EXPECT_EQ(seen, expected) << "a check that no long test runs";
}

class long_pipe_protocol : public testing::TestWithParam<const char*> {};

TEST_P(long_pipe_protocol, holds_after_every_instruction_of_a_side) {
  const auto run = run_protocol("KIN_POINTS=100000 KIN_ROUNDS=400 KIN_SECONDS=20 " KIN_PIPE_PROTOCOL, "", GetParam());
  EXPECT_EQ(run.status, 0) << run.said;
  std::printf("%s", run.said.c_str());
}
INSTANTIATE_TEST_SUITE_P(, long_pipe_protocol, testing::ValuesIn(checks),
                         [](const auto& of) { return as_name(of.param); });

struct broken {
  const char* mutant;
  const char* check;  // that has to notice
  int points = 0;     // of an operation to stop after, where the check's own are too few
};
class long_pipe_mutant : public testing::TestWithParam<broken> {};

TEST_P(long_pipe_mutant, is_caught) {
  // Up to so many: beside other work one of a hundred or so meets the instructions that matter.
  std::string settings = "KIN_ROUNDS=2000 KIN_SECONDS=60 ";
  if (GetParam().points != 0) settings += "KIN_POINTS=" + std::to_string(GetParam().points) + " ";
  const auto run = run_protocol(settings + KIN_PIPE_PROTOCOL, GetParam().mutant, GetParam().check);
  EXPECT_EQ(run.status, 1) << "nobody has noticed: " << GetParam().mutant << '\n' << run.said;
  std::printf("             %s", run.said.substr(run.said.rfind('\n', run.said.size() - 2) + 1).c_str());
}

constexpr broken all_broken[] = {
    // The ring.
    {"frame before its bytes", "a killed sender leaves whole messages"},
    {"nothing written behind a frame", "messages come out as they went in"},
    {"no room left for the end", "messages come out as they went in"},
    {"given back before it is copied", "bytes are not overwritten while they are read"},
    {"tail before the frame", "a copy of a killed sender's end goes on"},
    {"published frame not passed over", "a copy of a killed sender's end goes on", 1000},
    {"level before it is there", "a copy of a killed sender's end goes on"},
    {"descriptors behind their message", "a killed sender leaves whole messages"},
    // The bells.
    {"reader's bell not rung", "who waits is woken"},
    {"writer's bell not rung", "who waits is woken"},
    {"reader's last look left out", "no message is missed on the way to sleep", 500},
    {"reader's last look left out", "both in turn come to their end"},
    {"writer's last look left out", "no room is missed on the way to sleep"},
    {"writer's last look at what it was told", "no room is missed on the way to sleep"},
    {"reader's bell taken after it is rung", "a slow ringer silences no later ring", 1000},
    {"writer's bell taken whatever it says", "a bell set anew is left alone"},
    {"writer's bell taken before it is rung", "a copy of a killed receiver's end goes on"},
    {"ringer's death ignored", "a copy of a killed sender's end goes on"},
    {"no look at the end of file", "a killed sender leaves whole messages"},
    {"closed end not announced", "a closed end is heard of"},
    {"left without a word", "who has seen a message may leave"},
    // Between processors.
    {"reader's barrier left out", "no message is missed between two processors"},
    {"careless sleep without a barrier", "no message is missed between two processors"},
    {"no fence where it is wanted", "no message is missed between two processors"},
    {"writer's barrier left out", "no room is missed between two processors"},
    // Pollers.
    {"no bell for pollers", "pollers see what is there"},
    {"poller's last look left out", "pollers see what is there"},
    {"poller not told of what is left", "pollers see what is there"},
    {"poller's flag left set", "pollers see what is there"},
    {"rings left in the socket", "pollers see what is there"},
    {"rung for what has been read", "pollers see no more than there is", 1000},
    {"ringer not waited for", "pollers see no more than there is"},
};
INSTANTIATE_TEST_SUITE_P(, long_pipe_mutant, testing::ValuesIn(all_broken),
                         [](const auto& of) { return as_name(std::string(of.param.mutant) + " " + of.param.check); });

}  // namespace

#endif
