// SPDX-License-Identifier: BSL-1.0
// fork_server: what start::forkserver promises beyond what all start methods do: about its server, its spares, and what
// becomes of children whose server is killed.
#include <kin/core/error.hpp>
#include <kin/process/process.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <functional>
#include <iostream>
#include <sstream>

#include "process/fork_server.hpp"
#include "process/life.hpp"
#include "process/runtime.hpp"

using namespace kin_test;
namespace fs = std::filesystem;
using kin::detail::fork_server;

namespace {

void leave_with(int code) { std::exit(code); }
void wait_for_a_word(kin::connection from) { (void)from.poll(60s); }
void die(int signal) { ::raise(signal); }

std::vector<int> children_of(int pid) {
  std::vector<int> pids;
  std::istringstream text(contents("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children"));
  for (int child = 0; text >> child;) pids.push_back(child);
  return pids;
}
std::string name_of(int pid) {
  std::string name = contents("/proc/" + std::to_string(pid) + "/comm");
  return name.substr(0, name.find('\n'));
}
std::vector<int> spares() {
  std::vector<int> pids = children_of(fork_server::current_pid());
  std::erase_if(pids, [](int pid) { return name_of(pid) != "kin-spare"; });
  return pids;
}
bool spares_are_ready() {
  return becomes_true([] { return spares().size() == 2; }, 20s);
}

void kill_server() {
  const int pid = fork_server::current_pid();
  ASSERT_GT(pid, 1);
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
}
// For what ends this process's server: in a copy, whose server is its own.
void alone(const std::function<void()>& body) {
  kin::process copy(kin::start::fork, [&] {
    kin::process(kin::start::forkserver, leave_with, 0).join();
    body();
    std::cout.flush();
    ::_exit(testing::Test::HasFailure() ? 1 : 42);
  });
  copy.join();
  EXPECT_EQ(copy.exitcode(), 42);
}

TEST(fork_server, is_nobodys_child_that_a_wait_could_meet) {
  kin::process child(kin::start::forkserver, leave_with, 3);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
  child.join();
  EXPECT_EQ(child.exitcode(), 3);
}

TEST(fork_server, has_one_thread_and_two_spares) {
  ASSERT_TRUE(spares_are_ready());
  const fs::path proc = "/proc/" + std::to_string(fork_server::current_pid());
  EXPECT_EQ(name_of(fork_server::current_pid()), "kin-forkserver");
#if !defined(__SANITIZE_THREAD__)
  EXPECT_NE(contents(proc / "status").find("Threads:\t1\n"), std::string::npos);
#endif
}

TEST(fork_server, holds_no_descriptors_of_its_askers_nor_do_its_spares) {
  alone([] {
    std::vector<kin::unique_fd> inheritable;
    for (int i = 0; i < 50; ++i) inheritable.emplace_back(::open("/proc/version", O_RDONLY));
    const int before = fork_server::current_pid();
    kill_server();
    ASSERT_TRUE(becomes_true([&] { return !runs(before); }, 20s));
    kin::process(kin::start::forkserver, leave_with, 0).join();
    ASSERT_TRUE(spares_are_ready());
    std::vector<int> all = spares();
    all.push_back(fork_server::current_pid());
    for (const int pid : all) {
      int n = 0;
      for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
        ++n;
        std::error_code gone;
        const std::string where = fs::read_symlink(entry.path(), gone);
        EXPECT_NE(where, "/proc/version");
        // Whoever reads the asker's output sees its end when the asker's own copies are closed.
        if (std::stoi(entry.path().filename()) < 3) {
          EXPECT_EQ(where, "/dev/null");
        }
      }
      EXPECT_LT(n, 20);
    }
  });
}

TEST(fork_server, that_was_killed_is_started_again) {
  alone([] {
    kin::process(kin::start::forkserver, leave_with, 0).join();
    const int before = fork_server::current_pid();
    kill_server();
    for (int i = 0; i < 3; ++i) {
      kin::process child(kin::start::forkserver, leave_with, i);
      child.join();
      EXPECT_EQ(child.exitcode(), i);
    }
    EXPECT_NE(fork_server::current_pid(), before);
    EXPECT_FALSE(runs(before));
  });
}

TEST(fork_server, that_is_killed_at_any_moment_costs_no_start) {
  alone([] {
    for (int i = 0; i < 30; ++i) {
      const std::jthread killer([i] {
        std::this_thread::sleep_for(std::chrono::microseconds(i * 37));
        kill_server();
      });
      kin::process child(kin::start::forkserver, leave_with, 7);
      child.join();
      EXPECT_TRUE(child.exitcode() == 7) << i;
    }
  });
}

TEST(fork_server, stays_when_spares_are_killed_with_an_order_in_hand) {
  alone([] {
    ASSERT_TRUE(spares_are_ready());
    const int server = fork_server::current_pid();
    for (int i = 0; i < 60; ++i) {
      ASSERT_TRUE(spares_are_ready());
      const std::vector<int> ready = spares();
      const std::jthread killer([&ready, i] {
        std::this_thread::sleep_for(std::chrono::microseconds(i * 5));  // each time a little later in its work
        for (const int pid : ready) ::kill(pid, SIGKILL);
      });
      kin::process child(kin::start::forkserver, leave_with, 7);
      child.join();
      EXPECT_TRUE(child.exitcode() == 7 || child.exitcode() == -SIGKILL) << i;  // it had begun, and was killed then
    }
    EXPECT_EQ(fork_server::current_pid(), server);
  });
}

TEST(fork_server, whose_spares_are_killed_costs_no_start) {
  alone([] {
    ASSERT_TRUE(spares_are_ready());
    for (int i = 0; i < 20; ++i) {
      for (const int pid : spares()) ::kill(pid, SIGKILL);
      kin::process child(kin::start::forkserver, leave_with, 9);
      child.join();
      EXPECT_EQ(child.exitcode(), 9);
    }
  });
}

TEST(fork_server, that_was_killed_leaves_its_children_alive_and_loses_no_exit_code) {
  alone([] {
    auto [a, b] = kin::pipe();
    kin::process child(kin::start::forkserver, wait_for_a_word, std::move(b));
    kill_server();
    kin::process(kin::start::forkserver, leave_with, 0).join();
    EXPECT_TRUE(child.is_alive());
    EXPECT_FALSE(child.join_for(20ms));
    a.send(1);
    child.join();
    EXPECT_EQ(child.exitcode(), 0);
    EXPECT_TRUE(child.exit_status()->known);
    EXPECT_GT(child.exit_status()->peak_memory, 0u);
  });
}

TEST(fork_server, that_was_killed_cannot_tell_which_signal_ended_a_child) {
  alone([] {
    auto [a, b] = kin::pipe();
    kin::process child(kin::start::forkserver, wait_for_a_word, std::move(b));
    const int server = fork_server::current_pid();
    kill_server();
    ASSERT_TRUE(becomes_true([&] { return !runs(server); }, 20s));
    child.kill();
    child.join();
    EXPECT_FALSE(child.is_alive());
    EXPECT_FALSE(child.exit_status()->known);
    EXPECT_FALSE(child.exitcode());
  });
}

TEST(fork_server, that_is_stopped_keeps_nobody_waiting_for_ever) {
  auto& self = kin::detail::runtime::get();
  kin::process child(kin::start::forkserver, leave_with, 5);
  ASSERT_TRUE(spares_are_ready());
  const int server = fork_server::current_pid();
  ::kill(server, SIGSTOP);
  child.join();
  EXPECT_EQ(child.exitcode(), 5);
  kin::process first(kin::start::forkserver, leave_with, 6), second(kin::start::forkserver, leave_with, 7);
  self.set_start_patience(200ms);
  EXPECT_THROW(kin::process(kin::start::forkserver, leave_with, 8), kin::start_error);
  self.set_start_patience(60s);
  ::kill(server, SIGCONT);
  first.join();
  second.join();
  EXPECT_EQ(first.exitcode(), 6);
  EXPECT_EQ(second.exitcode(), 7);
}

TEST(fork_server, outlives_what_a_terminal_sends_to_the_whole_group) {
  auto [a, b] = kin::pipe();
  kin::process program(
      [](kin::connection to) {
        ::setpgid(0, 0);
        kin::process(kin::start::forkserver, leave_with, 0).join();
        const int server = fork_server::current_pid();
        for (const int s : {SIGINT, SIGQUIT, SIGHUP, SIGTERM}) {
          ::signal(s, SIG_IGN);
          ::kill(0, s);
        }
        kin::process next(kin::start::forkserver, leave_with, 4);
        next.join();
        to.send(server == fork_server::current_pid() && next.exitcode() == 4);
      },
      std::move(b));
  EXPECT_TRUE(a.recv<bool>());
}

TEST(fork_server, gives_children_the_stdout_of_the_moment) {
  temporary_folder folder;
  kin::process(kin::start::forkserver, leave_with, 0).join();
  const kin::unique_fd before(::fcntl(1, F_DUPFD_CLOEXEC, 3));
  {
    const kin::unique_fd file(::open((folder.path / "out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    ::dup2(file.get(), 1);
  }
  kin::process(kin::start::forkserver, [] { (void)!::write(1, "here", 4); }).join();
  ::dup2(before.get(), 1);
  EXPECT_EQ(contents(folder.path / "out"), "here");
}

int counted = 0;
TEST(fork_server, gives_children_initial_globals) {
  counted = 5;
  kin::process child(kin::start::forkserver, [] { std::exit(counted == 0 ? 0 : 1); });
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
  counted = 0;
}

void print_at_exit() { (void)!::write(1, "handler", 7); }
TEST(fork_server, lets_children_run_their_exit_handlers) {
  temporary_folder folder;
  kin::process({.start = kin::start::forkserver, .out = kin::redirect::to(folder.path / "out")}, [] {
    std::atexit(print_at_exit);
  }).join();
  EXPECT_EQ(contents(folder.path / "out"), "handler");
}

TEST(fork_server, of_a_child_serves_that_child) {
  kin::process child(kin::start::forkserver, [] {
    kin::process grandchild(kin::start::forkserver, leave_with, 11);
    grandchild.join();
    std::exit(*grandchild.exitcode() + 1);
  });
  child.join();
  EXPECT_EQ(child.exitcode(), 12);
}

void tell_pid_and_idle(kin::connection to) {
  to.send(::getpid());
  nap(60s);
}

TEST(fork_server, that_was_killed_before_its_asker_leaves_no_orphans) {
  auto [a, b] = kin::pipe();
  kin::process parent(
      [](kin::connection to) {
        auto [c, d] = kin::pipe();
        kin::process child(kin::start::forkserver, tell_pid_and_idle, std::move(d));
        const int server = fork_server::current_pid();
        ::kill(server, SIGKILL);
        kin::process next(kin::start::forkserver, [] { nap(60s); });
        to.send(std::vector{server, fork_server::current_pid(), c.recv<int>(), next.pid()});
        nap(60s);
      },
      std::move(b));
  const auto pids = a.recv<std::vector<int>>();
  EXPECT_TRUE(runs(pids[2]));
  parent.kill();
  parent.join();
  EXPECT_TRUE(becomes_true([&] { return std::ranges::none_of(pids, runs); }, 8s)) << "1 s on an idle machine";
}

TEST(fork_server, of_a_parent_is_not_used_by_a_copy_that_the_user_forked) {
  kin::process(kin::start::forkserver, leave_with, 0).join();
  const int server = fork_server::current_pid();
  const int copy = ::fork();
  if (copy == 0) {
    kin::process own(kin::start::forkserver, leave_with, 3);
    own.join();
    std::_Exit(own.exitcode() == 3 && fork_server::current_pid() != server ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(copy, &status, 0), copy);
  EXPECT_EQ(status, 0);
}

TEST(fork_server, serves_64_threads) {
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 64; ++i)
    threads.emplace_back([&, i] {
      for (int n = 0; n < 4; ++n) {
        kin::process child(kin::start::forkserver, leave_with, i);
        child.join();
        if (child.exitcode() == i) ++right;
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(right, 64 * 4);
}

TEST(fork_server, keeps_the_ends_of_500_children_until_they_are_asked_for) {
  std::vector<kin::process> children;
  for (int i = 0; i < 500; ++i) children.emplace_back(kin::start::forkserver, leave_with, i % 200);
  for (int i = 0; i < 500; ++i) {
    auto& child = children[static_cast<std::size_t>(i)];
    child.join();
    ASSERT_EQ(child.exitcode(), i % 200);
  }
  EXPECT_TRUE(becomes_true([] { return children_of(fork_server::current_pid()).size() == 2; }, 20s));
}

TEST(fork_server, carries_an_environment_of_any_size) {
  kin::process_options options{.start = kin::start::forkserver};
  options.environment["KIN_TEST_LONG"] = std::string(100'000, 'x');
  kin::process child(options, [] { std::exit(std::string(::getenv("KIN_TEST_LONG")).size() == 100'000 ? 0 : 1); });
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}

TEST(fork_server, tells_signals_that_children_died_by) {
  for (const int signal : {SIGKILL, SIGSEGV}) {
    kin::process child(kin::start::forkserver, die, signal);
    child.join();
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
    EXPECT_EQ(child.exitcode(), -signal);
#endif
  }
}

}  // namespace
