// SPDX-License-Identifier: BSL-1.0
// leaves_nothing_behind: fails a test that leaves a process, a descriptor, a thread or a /dev/shm entry, or that closes
// a descriptor it did not open. Every test has it, by support/main.cpp.
//
// What kin starts once for the whole process (its spawner, say) is no leak of the test that happens to be the first to
// need it: a warm-up brings it to life before anything is counted. See warm_up() below.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace kin_test {

/// What a process has, as /proc tells: each map from a key to something readable about it.
struct belongings {
  std::map<int, std::string> processes;    ///< children and their descendants, pid → "state name: command line"
  std::map<int, std::string> descriptors;  ///< number → where it leads
  std::map<int, std::string> threads;      ///< tid → name
  std::set<std::string> shared_memory;     ///< entries of /dev/shm

  static belongings now();
};

/// What `after` has that `before` had not, a line each; empty if nothing is left. Descriptors that `before` had and
/// `after` has not are told as well. A thread that a warm-up announced (see lasting_thread) is never told.
std::vector<std::string> left_behind(const belongings& before, const belongings& after);

/// Registers `start`, run once before the first test: it brings to life what lasts as long as the process, such as
/// kin's spawner. Call it at namespace scope:
///     const bool warm = kin_test::warm_up([] { kin::process([] {}).join(); });
bool warm_up(std::function<void()> start);

/// Announces a thread of this name as lasting: it may be started by any test, and end in none. At most one of a name is
/// forgiven. Kin's own such threads are listed in leaves_nothing_behind.cpp.
bool lasting_thread(std::string name);

/// For a test that must leave something, and says why: the test in progress is not checked.
void leave_this_one_alone(const std::string& reason);

class leaves_nothing_behind : public testing::EmptyTestEventListener {
 public:
  void OnEnvironmentsSetUpEnd(const testing::UnitTest&) override;
  void OnTestStart(const testing::TestInfo&) override;
  void OnTestEnd(const testing::TestInfo&) override;

 private:
  belongings before_;
};

}  // namespace kin_test
