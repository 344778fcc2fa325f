// SPDX-License-Identifier: BSL-1.0
// A process that has been joined is dead for everybody: what it held is known to be without an owner at once, and not
// only when the root of the family has heard of it.
#include <kin/barrier.hpp>
#include <kin/event.hpp>
#include <kin/mutex.hpp>
#include <kin/process.hpp>
#include <kin/semaphore.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <vector>

#include "support/leaves_nothing_behind.hpp"

namespace {

[[maybe_unused]] const bool warm =
    kin_test::warm_up([] { kin::process({.start = kin::start::forkserver}, [] {}).join(); });

void hold_all(const kin::mutex& m, const kin::bounded_semaphore& permits, const kin::barrier& meeting,
              const kin::event& ready) {
  m.lock();
  permits.acquire();
  auto arrived = meeting.arrive();
  ready.set();
  meeting.wait(std::move(arrived));
}

// Returns how often somebody who had been joined still counted as alive.
int mistakes(kin::start_method how) {
  int n = 0;
  for (int round = 0; round < 20; ++round) {
    const kin::mutex m;
    const kin::bounded_semaphore permits(1);
    const kin::barrier meeting(2);
    const kin::event ready;
    kin::process holder({.start = how}, hold_all, m, permits, meeting, ready);
    ready.wait();
    holder.kill();
    holder.join();
    try {
      n += m.try_lock() ? 0 : 1;
    } catch (const kin::owner_died&) {
    }
    n += permits.try_acquire() ? 0 : 1;
    try {
      meeting.arrive_and_wait();
      ++n;
    } catch (const kin::broken_barrier&) {
    }
  }
  return n;
}

class joined_process : public testing::TestWithParam<kin::start_method> {};

TEST_P(joined_process, is_dead_for_the_root_of_the_family) { EXPECT_EQ(mistakes(GetParam()), 0); }

TEST_P(joined_process, is_dead_for_a_member) {
  kin::process member(
      [](int how) {
        const kin::start_method methods[] = {kin::start::spawn, kin::start::forkserver, kin::start::fork};
        ::_exit(mistakes(methods[how]));
      },
      static_cast<int>(GetParam().which()));
  member.join();
  EXPECT_EQ(member.exitcode(), 0);
}

INSTANTIATE_TEST_SUITE_P(by, joined_process,
                         testing::Values(kin::start_method(kin::start::spawn),
                                         kin::start_method(kin::start::forkserver),
                                         kin::start_method(kin::start::fork)),
                         [](const auto& method) { return std::string(method.param.name()); });

}  // namespace
