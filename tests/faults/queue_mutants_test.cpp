// SPDX-License-Identifier: BSL-1.0
// queue: its protocol is broken in one place each, and queue_protocol.cpp must notice. A check that passes a broken
// queue proves nothing about a whole one.
#if defined(KIN_QUEUE_PROTOCOL) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "faults/protocol_run.hpp"

namespace {

using kin_test::run_protocol;

TEST(long_queue_protocol, holds_when_nothing_is_broken) {
  const auto run = run_protocol(KIN_QUEUE_PROTOCOL, "", "");
  EXPECT_EQ(run.status, 0);
  std::printf("%s", run.said.c_str());
}

struct broken {
  const char* mutant;
  const char* check;  // that has to notice
};
class long_queue_mutant : public testing::TestWithParam<broken> {};

TEST_P(long_queue_mutant, is_caught) {
  const auto run = run_protocol(KIN_QUEUE_PROTOCOL, GetParam().mutant, GetParam().check);
  EXPECT_EQ(run.status, 1) << "nobody has noticed: " << GetParam().mutant << '\n' << run.said;
  std::printf("             %s", run.said.substr(run.said.rfind('\n', run.said.size() - 2) + 1).c_str());
}

constexpr broken all_broken[] = {
    {"item not rung", "everybody who waits is woken"},
    {"room not rung", "everybody who waits is woken"},
    {"close not rung", "everybody who waits is woken"},
    {"all done not rung", "everybody who waits is woken"},
    {"turn not rung", "a lock is handed on"},
    {"last look left out", "no wake is lost on the way to sleep"},
    {"death not announced", "a wake does not die with the woken"},
    {"lock of the dead not taken over", "a lock is handed on"},
    {"bias not looked at again", "two are never inside at once"},
    {"bias not revoked", "two are never inside at once"},
    {"seat not waited for", "two are never inside at once"},
    {"seat not rung", "a seat is handed on"},
    {"seat of the dead not taken as empty", "a dead one's seat is empty"},
    {"committed before it is written", "kills in a put leave a queue"},
    {"ledger written after the commit", "kills in a put leave a queue"},
    {"taken before it is copied", "kills in a get leave a queue"},
    {"segments reused before they are drained", "items come out as they went in"},
    {"readable after the commit", "kills leave no item unseen"},
};
INSTANTIATE_TEST_SUITE_P(, long_queue_mutant, testing::ValuesIn(all_broken), [](const auto& of) {
  std::string name = of.param.mutant;
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
});

}  // namespace

#endif
