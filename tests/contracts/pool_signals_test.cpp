// SPDX-License-Identifier: BSL-1.0
// What a terminal sends to a whole process group (Ctrl-C) while a pool works is the caller's to answer.
#include <csignal>
#include <filesystem>
#include <numeric>

#include <kin/event.hpp>
#include <kin/process.hpp>

#include "contracts/pool_contract.hpp"

namespace kin_test {
namespace {

class pool_signals : public pool_contract {};
KIN_POOL_CONTRACT(pool_signals);

volatile sig_atomic_t interrupts = 0;

// A caller whose map is under way until it has been interrupted; then it ends by its handler's word, if it has one.
void map_until_interrupted(int method, bool handles, const kin::event& working, const kin::event& go_on) {
  ::setpgid(0, 0);  // it stands for the shell's job: the test is not of its group
  if (handles) ::signal(SIGINT, [](int) { interrupts = interrupts + 1; });
  kin::pool_options o;
  o.workers = 2;
  o.start = method_of(method);
  kin::pool workers(std::move(o));
  std::vector<int> numbers(8);
  std::iota(numbers.begin(), numbers.end(), 0);
  const auto squares = workers
                           .map_async(kin::bind(
                                          [](const kin::event& begun, const kin::event& end, int n) {
                                            begun.set();
                                            end.wait();
                                            return n * n;
                                          },
                                          working, go_on),
                                      numbers)
                           .get();
  const bool right = squares == std::vector<int>{0, 1, 4, 9, 16, 25, 36, 49};
  std::exit(!right ? 1 : interrupts != 1 ? 2 : 42);
}

struct caller_in_a_group {
  caller_in_a_group(kin::start_method method, bool handles)
      : caller({.err = kin::redirect::to(std::filesystem::path(words))}, map_until_interrupted,
               static_cast<int>(method.which()), handles, working, go_on) {}
  caller_in_a_group(const caller_in_a_group&) = delete;
  caller_in_a_group& operator=(const caller_in_a_group&) = delete;
  ~caller_in_a_group() { ::unlink(words.c_str()); }
  void interrupt() {
    working.wait();
    ASSERT_EQ(::getpgid(caller.pid()), caller.pid());
    ASSERT_EQ(::kill(-caller.pid(), SIGINT), 0);
  }
  [[nodiscard]] std::uintmax_t printed() const { return std::filesystem::file_size(words); }

  std::string words = "/tmp/kin_signals_" + std::to_string(::getpid());
  kin::event working, go_on;
  kin::process caller;
};

TEST_P(pool_signals, of_the_terminal_end_a_caller_and_its_workers_say_nothing) {
  caller_in_a_group group(GetParam(), false);
  group.interrupt();
  const auto start = clock::now();
  ASSERT_TRUE(group.caller.join_for(20s));
  EXPECT_EQ(group.caller.exitcode(), -SIGINT);
  EXPECT_LT(ms_since(start), 1000 * patience);
  EXPECT_EQ(group.printed(), 0U);
}

TEST_P(pool_signals, of_the_terminal_are_left_to_the_callers_handler) {
  caller_in_a_group group(GetParam(), true);
  group.interrupt();
  group.go_on.set();
  ASSERT_TRUE(group.caller.join_for(60s));
  EXPECT_EQ(group.caller.exitcode(), 42);
  EXPECT_EQ(group.printed(), 0U);
}

}  // namespace
}  // namespace kin_test
