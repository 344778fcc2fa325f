// SPDX-License-Identifier: BSL-1.0
// sync: its locks, semaphores, events and barriers are broken in one place each, and a test of tests/sync, run with
// them by protocol/sync_protocol.cpp, must notice.
#if defined(KIN_SYNC_PROTOCOL) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <string>

namespace {

constexpr int failed = 1, aborted = 128 + 6, hung = 124;  // as gtest, the shell and timeout(1) say it

struct outcome {
  int status;
  std::string said;
};

// Hangs are not waited for as long as elsewhere, and their stacks are not looked at.
outcome run_with(const std::string& mutant, const std::string& checks, const std::string& limits) {
  const std::string command = "KIN_MUTANT=\"" + mutant + "\" " + limits + " " + KIN_SYNC_PROTOCOL +
                              " --gtest_fail_fast --gtest_filter='" + checks + "' 2>&1";
  std::FILE* run = popen(command.c_str(), "re");
  std::string said;
  for (int c; (c = std::fgetc(run)) != EOF;) said += static_cast<char>(c);
  const int status = pclose(run);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, said};
}

struct broken {
  const char* mutant;
  const char* check;  // that has to notice
};
class long_sync_mutant : public testing::TestWithParam<broken> {};

TEST_P(long_sync_mutant, is_caught) {
  const outcome o =
      run_with(GetParam().mutant, GetParam().check, "KIN_TEST_PATIENCE=2000 KIN_TEST_WATCHDOG=0 timeout 60");
  EXPECT_TRUE(o.status == failed || o.status == aborted || o.status == hung)
      << "nobody has noticed: " << GetParam().mutant << '\n'
      << o.said;
}

// The check's name says what is noticed.
constexpr broken all_broken[] = {
    {"mutex: taken in two steps", "mutex.is_had_by_one_only"},
    {"mutex: unlock not rung", "mutex.is_handed_on_by_who_got_it"},
    {"mutex: rung before it is free", "mutex.is_free_before_who_sleeps_is_woken"},
    {"mutex: note not cleared", "mutex.says_that_somebody_unlocks_it_who_does_not_hold_it"},
    {"mutex: note written before it is taken", "mutex.is_refused_while_another_thread_holds_it"},
    {"mutex: try_lock does not tell a death", "mutex.of_a_killed_holder_throws_to_who_comes_later"},
    {"mutex: death not seen by who waits", "*/sync_killed_at.*/unlock_for_one_who_sleeps"},
    {"mutex: abandoned one taken as free", "*/long_sync_locker_killed_at.*/lock_of_a_value"},
    {"mutex: death not seen by recover()", "*/sync_killed_at.*/recover"},
    {"mutex: held after its time", "mutex.is_refused_while_another_thread_holds_it"},
    {"last look left out", "condition_variable.notifies_who_has_released*"},
    {"death not announced", "*/sync_killed_at.*/unlock_for_one_who_sleeps"},
    {"recursive_mutex: not counted", "recursive_mutex.is_free_after_as_many_unlocks"},
    {"recursive_mutex: a dead one's count kept", "*/sync_locker_killed_at.*/recursive_mutex_lock_and_unlock_twice"},
    {"recursive_mutex: freed by the first unlock", "recursive_mutex.is_free_after_as_many_unlocks"},
    {"recursive_mutex: freed before it is counted", "recursive_mutex.is_the_next_ones*"},
    {"counting_semaphore: taken in two steps", "counting_semaphore.gives_its_only*"},
    {"counting_semaphore: released by no member",
     "*/sync_killed_at.*/semaphore_release_for_one_who_sleeps_by_no_member_yet"},
    {"counting_semaphore: rung before the count", "counting_semaphore.has_the_permit*"},
    {"counting_semaphore: release not rung", "counting_semaphore.wakes_as_many_as_it_is_released_for"},
    {"counting_semaphore: rung for one of many", "counting_semaphore.wakes_as_many_as_it_is_released_for"},
    {"bounded_semaphore: a dead one's permit not seen", "*/sync_killed_at.*/bounded_semaphore_acquire"},
    {"bounded_semaphore: taken in two steps", "bounded_semaphore.gives_its_only*"},
    {"bounded_semaphore: rung before it is free", "bounded_semaphore.has_the_permit*"},
    {"bounded_semaphore: another's given back", "bounded_semaphore.gets_back_the_permit_of_who_releases_it"},
    {"bounded_semaphore: release not rung", "bounded_semaphore.wakes_as_many_as_it_is_released_for"},
    {"condition_variable: newcomer goes before others", "condition_variable.notify_one_reaches*"},
    {"condition_variable: rung before the count", "condition_variable.has_counted*"},
    {"condition_variable: notification not rung", "condition_variable.notify_all_wakes_all"},
    {"condition_variable: notify_all rings for one", "condition_variable.notify_all_wakes_all"},
    {"condition_variable: begins to wait after the unlock", "condition_variable.notifies_who_has_released*"},
    {"condition_variable: lock not taken again", "condition_variable.waits_for_a_time_and_with_a_predicate"},
    {"event: set by no member", "*/sync_killed_at.*/event_set_for_one_who_sleeps_by_no_member_yet"},
    {"event: rung before it is set", "event.is_set_before*"},
    {"event: rung only by who sets it", "event.set_by_another_lets_go*"},
    {"event: not counted", "*/sync_waiter_killed_at.*/event_wait_beside_one_who_waits"},
    {"event: set not rung", "event.lets_all_go_who_wait_although_it_is_cleared_at_once"},
    {"event: rings for one", "event.lets_all_go_who_wait_although_it_is_cleared_at_once"},
    {"event: setting since forgotten", "*/sync_waiter_killed_at.*/event_wait_beside_one_who_waits"},
    {"barrier: reset not counted", "barrier.reset_sends_those_away_who_wait"},
    {"barrier: abort not rung", "barrier.tells_all_who_wait*"},
    {"barrier: giving up not rung", "barrier.tells_all_who_wait*"},
    {"barrier: reset not rung", "barrier.tells_all_who_wait*"},
    {"barrier: last arrival not rung", "barrier.tells_all_who_wait*"},
    {"barrier: entered after the arrival", "*/long_sync_waiter_killed_at.*/barrier_the_first_to_arrive"},
    {"barrier: not entered again after a reset", "barrier.knows_who_arrived_while_it_was_reset"},
    {"barrier: breaks what was reset", "barrier.is_not_broken_anew*"},
    {"barrier: death not seen by who comes", "*/long_sync_waiter_killed_at.*/barrier_the_first_to_arrive"},
    {"barrier: death not seen by who waits", "*/sync_waiter_killed_at.*/barrier_the_second_of_three"},
    {"barrier: a later round is broken", "long_barrier.gives_both_the_same_answer*"},
    {"barrier: drop completes nothing", "barrier.is_completed_by_the_last_one*"},
    {"barrier: drop not seen by who comes", "barrier.is_complete_when_one_drops_out*"},
    {"barrier: dropped with the only one", "barrier.breaks_when_one_dies_that_stood_for_several*"},
    {"barrier: fates not kept", "barrier.was_met_for_those_who_wake_after_a_reset"},
    {"barrier: death of who drops not seen", "barrier.is_completed_by_those_who_wait*"},
};
INSTANTIATE_TEST_SUITE_P(, long_sync_mutant, testing::ValuesIn(all_broken), [](const auto& of) {
  std::string name = of.param.mutant;
  std::erase(name, '\'');
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
});

TEST(long_sync_protocol, holds_when_nothing_is_broken) {
  std::string checks = all_broken[0].check;
  for (const broken& each : all_broken) checks += std::string(":") + each.check;
  const outcome o = run_with("", checks, "KIN_TEST_WATCHDOG=600");
  EXPECT_EQ(o.status, 0) << o.said;
}

}  // namespace

#endif
