// SPDX-License-Identifier: BSL-1.0
// foreign_wait: promise 19: the program's own waitpid(-1), or an ignored SIGCHLD, beside threads that join and ask the
// same children: no hang, the right status or "unknown", and never a signal to whoever got a child's number later.
#include <kin/process/process.hpp>

#include <gtest/gtest.h>

#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>
#include <vector>

#include "process/life.hpp"

using namespace kin_test;

namespace {

class foreign_wait : public every_start {};
INSTANTIATE_TEST_SUITE_P(by, foreign_wait, start_methods, start_name);

void leave_when_told(kin::connection told, int code) {
  (void)told.poll(60s);
  if (code < 0) ::raise(-code);
  std::exit(code);
}

// By their own word those that leave are known, whoever has taken their status; those that were killed, or not at all.
void join_by_32_threads(std::vector<kin::process>& children, std::vector<kin::connection>& ends) {
  const int n = static_cast<int>(children.size());
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 32; ++i)
    threads.emplace_back([&, i] {
      for (int k = 0; k < n; ++k) {
        const int which = (i + k) % n;
        kin::process& child = children[static_cast<std::size_t>(which)];
        if (i % 3 == 0) child.join();
        if (i % 3 == 1)
          while (!child.join_for(1ms)) (void)child.is_alive();
        if (i % 3 == 2)
          while (!child.exit_status()) std::this_thread::yield();
        const auto code = child.exitcode();
        const bool killed = which % 4 == 3;
        right += (killed ? !code || code == -SIGKILL : code == which) && !child.is_alive() && !child.kill();
      }
    });
  for (auto& end : ends) end.send(1);
  for (auto& t : threads) t.join();
  EXPECT_EQ(right, 32 * n);
}

void start_children(kin::start_method start, std::vector<kin::process>& children, std::vector<kin::connection>& ends) {
  for (int i = 0; i < 12; ++i) {
    auto [a, b] = kin::pipe();
    children.emplace_back(kin::process_options{.start = start}, leave_when_told, std::move(b),
                          i % 4 == 3 ? -SIGKILL : i);
    ends.push_back(std::move(a));
  }
}

TEST_P(foreign_wait, by_another_thread_leaves_32_that_join_and_ask_the_right_answers) {
  for (int round = 0; round < 5; ++round) {
    std::vector<kin::process> children;
    std::vector<kin::connection> ends;
    start_children(GetParam(), children, ends);
    std::atomic<bool> stop{false};
    std::thread foreign([&] {
      while (!stop)
        if (::waitpid(-1, nullptr, WNOHANG) <= 0) std::this_thread::yield();
    });
    join_by_32_threads(children, ends);
    stop = true;
    foreign.join();
  }
}

TEST_P(foreign_wait, that_the_kernel_does_for_an_ignored_SIGCHLD_leaves_32_the_right_answers) {
  ::signal(SIGCHLD, SIG_IGN);
  {
    std::vector<kin::process> children;
    std::vector<kin::connection> ends;
    start_children(GetParam(), children, ends);
    join_by_32_threads(children, ends);
  }
  ::signal(SIGCHLD, SIG_DFL);
}

bool number_from(int last) {
  return static_cast<bool>(std::ofstream("/proc/sys/kernel/ns_last_pid") << last << std::flush);
}

// A process with the number that `pid` has had; -1 where the kernel does not let us choose numbers.
int stranger_with_number(int pid) {
  for (int attempt = 0; attempt < 50; ++attempt) {
    int last = 0;
    std::ifstream("/proc/sys/kernel/ns_last_pid") >> last;
    if (!number_from(pid - 1)) return -1;
    const int made = ::fork();
    if (made == 0) {
      ::pause();
      ::_exit(0);
    }
    // Or the next processes would have numbers that tests beside this one know as those of their own, just ended.
    (void)number_from(last);
    if (made == pid || made < 0) return made;
    ::kill(made, SIGKILL);
    ::waitpid(made, nullptr, 0);
  }
  return -1;
}

TEST_P(foreign_wait, that_frees_a_childs_number_sends_no_signal_to_who_has_it_next) {
  if (GetParam() == kin::start::forkserver) GTEST_SKIP() << "its status cannot be taken: see fork_server_test";
  kin::process child(with(), [] { std::exit(5); });
  const int pid = child.pid();
  ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
  const int stranger = stranger_with_number(pid);
  if (stranger < 0) GTEST_SKIP() << "process numbers cannot be chosen here";
  EXPECT_FALSE(child.kill() || child.terminate() || child.interrupt());
  child.join();
  EXPECT_EQ(child.exitcode(), 5);
  EXPECT_FALSE(child.is_alive());
  EXPECT_FALSE(child.kill());
  EXPECT_TRUE(runs(stranger));
  ::kill(stranger, SIGKILL);
  ::waitpid(stranger, nullptr, 0);
}

}  // namespace
