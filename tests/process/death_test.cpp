// SPDX-License-Identifier: BSL-1.0
// death: the parent's end, by whatever means, ends everything that kin started for it.
#include <kin/process/process.hpp>

#include <gtest/gtest.h>

#include <sys/prctl.h>

#include <csignal>
#include <random>

#include "process/life.hpp"

using namespace kin_test;

namespace {

class death : public every_start {};
INSTANTIATE_TEST_SUITE_P(by, death, start_methods, start_name);

// A second on an idle machine.
bool all_end(const std::vector<int>& pids) {
  return becomes_true([&] { return std::ranges::none_of(pids, runs); }, 8s);
}

void compute_with_signals_blocked(kin::connection ready) {
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
  ready.send(::getpid());
  volatile unsigned n = 0;
  for (;;) {
    unsigned next = n + 1;
    n = next;
  }
}
void idle(kin::connection ready) {
  ready.send(::getpid());
  nap(60s);
}
// Not to be interrupted by any signal, but to be killed: until the copy that uses its memory has ended.
void wait_for_a_vfork(kin::connection ready) {
  const int parent = ::getpid();
  ready.send(parent);
  // NOLINTBEGIN: that is the point
  if (::vfork() == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(0);  // it was killed before that was set
    for (;;) ::pause();
  }
  // NOLINTEND
}
void have_a_child_each_way(kin::connection ready) {
  auto [a, b] = kin::pipe();
  auto [c, d] = kin::pipe();
  kin::process spawned(idle, std::move(b));
  kin::process forked(kin::start::fork, [&, &to = d] { idle(std::move(to)); });
  ready.send(std::vector{::getpid(), a.recv<int>(), c.recv<int>()});
  nap(60s);
}

TEST_P(death, of_the_parent_kills_children_whatever_they_do) {
  auto [a, b] = kin::pipe();
  kin::process parent(
      [](kin::connection ready, int method) {
        const kin::process_options how{.start = method_of(method)};
        auto [p, q] = kin::pipe();
        auto [r, s] = kin::pipe();
        auto [t, u] = kin::pipe();
        kin::process computing(how, compute_with_signals_blocked, std::move(q));
        kin::process idling(how, idle, std::move(s));
        kin::process waiting(how, wait_for_a_vfork, std::move(u));
        ready.send(std::vector{p.recv<int>(), r.recv<int>(), t.recv<int>()});
        nap(60s);
      },
      std::move(b), static_cast<int>(GetParam().which()));
  const auto pids = a.recv<std::vector<int>>();
  for (const int pid : pids) EXPECT_TRUE(runs(pid));
  parent.kill();
  parent.join();
  EXPECT_TRUE(all_end(pids));
}

TEST_P(death, of_the_parent_kills_grandchildren) {
  auto [a, b] = kin::pipe();
  kin::process parent(
      [](kin::connection ready, int method) {
        const kin::process_options how{.start = method_of(method)};
        auto [p, q] = kin::pipe();
        kin::process child(how, have_a_child_each_way, std::move(q));
        ready.send(p.recv<std::vector<int>>());
        nap(60s);
      },
      std::move(b), static_cast<int>(GetParam().which()));
  const auto pids = a.recv<std::vector<int>>();
  ASSERT_EQ(pids.size(), 3u);
  for (const int pid : pids) EXPECT_TRUE(runs(pid));
  parent.kill();
  parent.join();
  EXPECT_TRUE(all_end(pids));
}

TEST(death, of_the_parent_kills_a_child_while_a_copy_that_the_user_forked_lives) {
  auto [a, b] = kin::pipe();
  kin::process parent(
      [](kin::connection ready) {
        auto [p, q] = kin::pipe();
        auto [r, s] = kin::pipe();
        kin::process spawned(idle, std::move(q));
        kin::process forked(kin::start::fork, [&, &to = s] { idle(std::move(to)); });
        const int copy = ::fork();
        if (copy == 0) {
          ::usleep(60'000'000);
          ::_exit(0);
        }
        ready.send(std::vector{copy, p.recv<int>(), r.recv<int>()});
        nap(60s);
      },
      std::move(b));
  const auto pids = a.recv<std::vector<int>>();
  parent.kill();
  parent.join();
  EXPECT_TRUE(all_end({pids.begin() + 1, pids.end()}));
  EXPECT_TRUE(runs(pids[0])) << "a process that kin did not start was killed";
  ::kill(pids[0], SIGKILL);
}

void start_without_end(kin::connection ready) {
  ready.send(1);
  for (std::vector<kin::process> all;;) {
    all.emplace_back([] { nap(60s); });
    all.emplace_back(kin::start::fork, [] { nap(60s); });
    all.emplace_back(kin::start::forkserver, [] { nap(60s); });
    if (all.size() > 20) std::_Exit(0);
  }
}

// Whoever is left is found by leaves_nothing_behind, by the mark in its environment.
TEST(death, of_the_parent_at_any_moment_of_a_start_leaves_nobody) {
  std::mt19937 random(7);
  for (int i = 0; i < 40; ++i) {
    auto [a, b] = kin::pipe();
    kin::process parent(start_without_end, std::move(b));
    (void)a.recv<int>();
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 15'000));
    parent.kill();
  }
}

}  // namespace
