// SPDX-License-Identifier: BSL-1.0
// process: starting, naming, watching and ending children; over every start method.
#include <kin/process/process.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <stdexcept>
#include <thread>

#include <kin/core/error.hpp>
#include <kin/mutex.hpp>
#include <kin/pipe.hpp>
#include <kin/process/process_view.hpp>
#include <kin/wire/bound.hpp>

#include "process/life.hpp"

using namespace kin_test;

namespace {

// --- callables ------------------------------------------------------------------------------------------------------

void leave_with(int code) { std::exit(code); }
void add_and_leave(int a, const std::string& b, std::string_view c) {
  std::_Exit(a + std::stoi(b) + std::stoi(std::string(c)));
}
int returns_a_number() { return 17; }

struct leaver {
  int code = 0;
  void operator()() const { std::exit(code); }
};
struct adder {
  int a = 0;
  void operator()(int b) const { std::exit(a + b); }
};

class process : public every_start {};
INSTANTIATE_TEST_SUITE_P(by, process, start_methods, start_name);

TEST_P(process, runs_a_function_with_arguments) {
  kin::process child(with(), add_and_leave, 1, "2", std::string("3"));
  child.join();
  EXPECT_EQ(child.exitcode(), 6);
}

TEST_P(process, runs_a_function_object_with_its_members) {
  kin::process child(with(), leaver{4});
  kin::process other(with(), adder{4}, 5);
  child.join();
  other.join();
  EXPECT_EQ(child.exitcode(), 4);
  EXPECT_EQ(other.exitcode(), 9);
}

TEST_P(process, runs_a_lambda_and_bound_arguments) {
  kin::process lambda(
      with(), [](int n) { std::exit(n); }, 8);
  kin::process bound(with(), kin::bind(leave_with, 9));
  lambda.join();
  bound.join();
  EXPECT_EQ(lambda.exitcode(), 8);
  EXPECT_EQ(bound.exitcode(), 9);
}

TEST_P(process, ignores_what_the_callable_returns) {
  kin::process child(with(), returns_a_number);
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
  EXPECT_TRUE(child.exit_status()->success());
}

TEST(process_forked, runs_any_closure) {
  auto [a, b] = kin::pipe();
  const std::string local = "local data";
  kin::process child(kin::start::fork, [&, &to = b] { to.send(local + "!"); });
  kin::process with_arguments(
      kin::start::fork, [&](int n, const std::string& s) { std::exit(n + int(s.size() + local.size())); }, 1, "xy");
  EXPECT_EQ(a.recv<std::string>(), "local data!");
  with_arguments.join();
  EXPECT_EQ(with_arguments.exitcode(), 13);
  kin::process_options options{.name = "named"};
  kin::process named(kin::start::fork, options, [&] { std::exit(local.empty()); });
  kin::process braces(kin::start::fork, {.name = "braces"}, [&] { std::exit(local.empty()); });
  kin::process spawned(kin::start::spawn, {.name = "spawned"}, leave_with, 0);
  kin::process plain(kin::start::spawn, leave_with, 0);
  EXPECT_EQ(named.name(), "named");
  EXPECT_EQ(braces.name(), "braces");
  EXPECT_EQ(spawned.name(), "spawned");
}

TEST(process_forked, runs_none_of_its_parents_exit_handlers) {
  const int pid = ::getpid();
  static int owner;
  owner = pid;
  std::atexit([] {
    if (::getpid() != owner) ::kill(::getpid(), SIGKILL);
  });
  kin::process child(kin::start::fork, [] { std::exit(3); });
  child.join();
  EXPECT_EQ(child.exitcode(), 3);
}

// --- names ----------------------------------------------------------------------------------------------------------

void tell_names(kin::connection to) {
  to.send(std::vector<std::string>{kin::current_process().name(), kin::parent_process()->name()});
  to.send(std::vector<int>{kin::current_process().pid(), kin::parent_process()->pid(), ::getppid()});
}

TEST_P(process, knows_its_name_and_its_parent) {
  auto [a, b] = kin::pipe();
  kin::process child(with({.name = "p2"}), tell_names, std::move(b));
  EXPECT_EQ(child.name(), "p2");
  EXPECT_EQ(a.recv<std::vector<std::string>>(), (std::vector<std::string>{"p2", "MainProcess"}));
  const auto pids = a.recv<std::vector<int>>();
  EXPECT_EQ(pids[0], child.pid());
  EXPECT_EQ(pids[1], ::getpid());
  // The kernel's parent of a copy of the fork server is that server.
  EXPECT_EQ(pids[2] == ::getpid(), GetParam() != kin::start::forkserver);
  EXPECT_EQ(kin::current_process().name(), "MainProcess");
  EXPECT_EQ(kin::current_process().pid(), ::getpid());
  EXPECT_FALSE(kin::parent_process());
}

TEST_P(process, is_numbered_as_in_python) {
  kin::process first(with(), returns_a_number);
  kin::process named(with({.name = "x"}), returns_a_number);
  kin::process third(with(), returns_a_number);
  const int n = std::stoi(first.name().substr(8));
  EXPECT_EQ(first.name(), "Process-" + std::to_string(n));
  EXPECT_EQ(third.name(), "Process-" + std::to_string(n + 2));
}

TEST(process_spawned, numbers_the_children_of_children) {
  auto [a, b] = kin::pipe();
  kin::process child(
      [](kin::connection to) {
        auto [c, d] = kin::pipe();
        kin::process grandchild(tell_names, std::move(d));
        to.send(c.recv<std::vector<std::string>>());
      },
      std::move(b));
  EXPECT_EQ(a.recv<std::vector<std::string>>(), (std::vector<std::string>{child.name() + ":1", child.name()}));
}

TEST(process_forked, numbers_the_children_of_children) {
  auto [a, b] = kin::pipe();
  kin::process child(kin::start::fork, [&, &to = b] {
    auto [c, d] = kin::pipe();
    kin::process grandchild(kin::start::fork, [&, &up = d] { tell_names(std::move(up)); });
    to.send(c.recv<std::vector<std::string>>());
    auto [e, f] = kin::pipe();
    kin::process spawned(tell_names, std::move(f));
    to.send(e.recv<std::vector<std::string>>());
  });
  EXPECT_EQ(a.recv<std::vector<std::string>>(), (std::vector<std::string>{child.name() + ":1", child.name()}));
  EXPECT_EQ(a.recv<std::vector<std::string>>(), (std::vector<std::string>{child.name() + ":2", child.name()}));
}

void wait_for_a_word(kin::connection from) { (void)from.poll(60s); }

TEST_P(process, is_listed_while_it_runs) {
  EXPECT_TRUE(kin::active_children().empty());
  auto [a, b] = kin::pipe();
  kin::process child(with({.name = "listed"}), wait_for_a_word, std::move(b));
  const auto active = kin::active_children();
  ASSERT_EQ(active.size(), 1u);
  EXPECT_EQ(active[0].pid(), child.pid());
  EXPECT_EQ(active[0].name(), "listed");
  EXPECT_TRUE(active[0].is_alive());
  EXPECT_FALSE(active[0].join_for(5ms));
  a.send(1);
  active[0].join();
  EXPECT_FALSE(active[0].is_alive());
  EXPECT_EQ(child.exitcode(), 0);
  EXPECT_TRUE(kin::active_children().empty());
}

TEST_P(process, is_ended_by_way_of_the_list) {
  auto [a, b] = kin::pipe();
  auto [c, d] = kin::pipe();
  kin::process first(with({}), wait_for_a_word, std::move(b)), second(with({}), wait_for_a_word, std::move(d));
  for (const kin::process_view& child : kin::active_children()) {
    EXPECT_TRUE(child.pid() == first.pid() ? child.terminate() : child.kill());
    child.join();
    EXPECT_FALSE(child.terminate());
  }
  EXPECT_EQ(first.exitcode(), -SIGTERM);
  EXPECT_EQ(second.exitcode(), -SIGKILL);
}

TEST(process_view, refuses_to_wait_for_itself) {
  EXPECT_THROW(kin::current_process().join(), std::logic_error);
  EXPECT_TRUE(kin::current_process().is_alive());
}

// --- how it ends ----------------------------------------------------------------------------------------------------

void die_by(int signal) {
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}
void throw_it() { throw std::out_of_range("too far"); }
void throw_a_number() { throw 42; }
void use_memory_and_time() {
  std::vector<char> much(100 << 20, 'x');
  volatile long sum = 0;
  const auto start = std::clock();
  while (std::clock() - start < CLOCKS_PER_SEC / 20) sum = sum + much[static_cast<std::size_t>(sum) % much.size()];
}

TEST_P(process, tells_its_exit_code) {
  for (const int code : {0, 1, 77, 255, 256 + 3}) {
    kin::process child(with(), leave_with, code);
    child.join();
    EXPECT_EQ(child.exitcode(), code & 0xff);
    EXPECT_EQ(child.exit_status()->code, code & 0xff);
    EXPECT_EQ(child.exit_status()->signal, 0);
    EXPECT_TRUE(child.exit_status()->known);
  }
}

TEST_P(process, tells_the_signal_that_killed_it) {
  for (const int signal : {SIGTERM, SIGKILL, SIGUSR1, SIGHUP}) {
    kin::process child(with(), die_by, signal);
    child.join();
    EXPECT_EQ(child.exitcode(), -signal);
    EXPECT_EQ(child.exit_status()->signal, signal);
    EXPECT_EQ(child.exit_status()->code, -1);
    EXPECT_FALSE(child.exit_status()->success());
    EXPECT_NE(child.exit_status()->describe().find("killed by SIG"), std::string::npos);
  }
}

TEST_P(process, prints_an_exception_and_exits_with_1) {
  temporary_folder folder;
  const auto file = folder.path / "err";
  kin::process child(with({.name = "thrower", .err = kin::redirect::to(file)}), throw_it);
  child.join();
  EXPECT_EQ(child.exitcode(), 1);
  const std::string text = contents(file);
  EXPECT_NE(text.find("Process thrower:\n"), std::string::npos) << text;
  EXPECT_NE(text.find("std::out_of_range"), std::string::npos) << text;
  EXPECT_NE(text.find("too far"), std::string::npos) << text;
}

TEST_P(process, prints_an_exception_of_any_type) {
  temporary_folder folder;
  const auto file = folder.path / "err";
  kin::process child(with({.err = kin::redirect::to(file)}), throw_a_number);
  child.join();
  EXPECT_EQ(child.exitcode(), 1);
  EXPECT_NE(contents(file).find("int"), std::string::npos) << contents(file);
}

TEST_P(process, says_that_its_main_thread_was_ended) {
  temporary_folder folder;
  const auto file = folder.path / "err";
  kin::process child(with({.name = "leaver", .err = kin::redirect::to(file)}), [] { ::pthread_exit(nullptr); });
  child.join();
  EXPECT_EQ(child.exitcode(), 1);
  EXPECT_NE(contents(file).find("Process leaver:\nkin: pthread_exit() was called"), std::string::npos)
      << contents(file);
}

TEST_P(process, tells_what_it_has_used) {
  kin::process child(with(), use_memory_and_time);
  child.join();
  EXPECT_GE(child.exit_status()->peak_memory, 100u << 20);
  EXPECT_GE(child.exit_status()->cpu_time(), 40ms);
}

TEST(process_spawned, is_not_charged_for_its_parents_memory) {
  {
    std::vector<char> much(400 << 20, 'x');
    kin::process child(returns_a_number);
    kin::process killed(die_by, SIGKILL);
    child.join();
    killed.join();
    EXPECT_GT(child.exit_status()->peak_memory, 0u);
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
    EXPECT_LT(child.exit_status()->peak_memory, 200u << 20);
    EXPECT_LT(killed.exit_status()->peak_memory, 200u << 20);
#endif
  }
}

TEST_P(process, answers_whether_it_has_ended) {
  auto [a, b] = kin::pipe();
  kin::process child(with(), wait_for_a_word, std::move(b));
  EXPECT_TRUE(child.is_alive());
  EXPECT_FALSE(child.exitcode());
  EXPECT_FALSE(child.exit_status());
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(child.join_for(30ms));
  EXPECT_FALSE(child.join_until(std::chrono::steady_clock::now() + 30ms));
  EXPECT_FALSE(child.join_until(std::chrono::system_clock::now() + 30ms));
  EXPECT_GE(std::chrono::steady_clock::now() - start, 85ms);
  EXPECT_FALSE(child.join_for(0s));
  EXPECT_FALSE(child.join_for(-1s));
  a.send(1);
  EXPECT_TRUE(child.join_for(30s));
  EXPECT_TRUE(child.join_for(0s));
  EXPECT_FALSE(child.is_alive());
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}

TEST_P(process, has_alone_what_is_moved_to_it) {
  auto [mine, theirs] = kin::pipe();
  kin::unique_fd open_file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto serve = [](kin::connection c, kin::unique_fd fd) { c.send(fd.get() >= 0); };
  kin::process child = GetParam().which() == kin::start_method(kin::start::fork).which()
                           ? kin::process(kin::start::fork, serve, std::move(theirs), std::move(open_file))
                           : kin::process(with(), serve, std::move(theirs), std::move(open_file));
  EXPECT_TRUE(mine.recv<bool>());
  EXPECT_TRUE(theirs.closed());
  EXPECT_LT(open_file.get(), 0);
  child.join();
  EXPECT_THROW((void)mine.recv<bool>(), kin::closed_error);
}

void wait_for_ever() {
  for (;;) ::pause();
}
TEST_P(process, is_ended_by_a_signal_sent_right_after_its_start_whatever_its_parent_does_with_it) {
  for (const auto handler : {+[](int) {}, SIG_IGN}) {
    const auto before = std::signal(SIGTERM, handler);
    for (int i = 0; i < 5; ++i) {
      kin::process child(with(), wait_for_ever);
      child.terminate();
      EXPECT_TRUE(child.join_for(30s));
      EXPECT_EQ(child.exitcode(), -SIGTERM);
      child.kill();
    }
    std::signal(SIGTERM, before);
  }
}

TEST_P(process, is_ended_by_a_signal_of_its_parents) {
  for (const int signal : {SIGTERM, SIGKILL, SIGINT}) {
    auto [a, b] = kin::pipe();
    kin::process child(with(), wait_for_a_word, std::move(b));
    EXPECT_TRUE(signal == SIGTERM ? child.terminate() : signal == SIGKILL ? child.kill() : child.interrupt());
    child.join();
    EXPECT_EQ(child.exitcode(), -signal);
    EXPECT_FALSE(child.terminate() || child.kill() || child.interrupt());
  }
}

TEST_P(process, may_be_joined_and_asked_by_32_threads) {
  auto [a, b] = kin::pipe();
  kin::process child(with(), wait_for_a_word, std::move(b));
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 32; ++i)
    threads.emplace_back([&, i] {
      if (i % 3 == 0) child.join();
      if (i % 3 == 1)
        while (!child.join_for(3ms)) (void)child.is_alive();
      if (i % 3 == 2)
        while (!child.exit_status()) nap(1ms);
      if (child.exitcode() == 0 && !child.is_alive()) ++right;
    });
  nap(20ms);
  a.send(1);
  for (auto& t : threads) t.join();
  EXPECT_EQ(right, 32);
}

// --- objects --------------------------------------------------------------------------------------------------------

TEST_P(process, is_joined_by_its_destructor) {
  temporary_folder folder;
  {
    kin::process child(with({.out = kin::redirect::to(folder.path / "out")}), [] {
      nap(100ms);
      (void)!::write(1, "done", 4);
    });
  }
  EXPECT_EQ(contents(folder.path / "out"), "done");
}

TEST_P(process, that_is_a_daemon_is_terminated_by_its_destructor) {
  auto [a, b] = kin::pipe();
  int pid = 0;
  {
    kin::process child(with({.daemon = true}), wait_for_a_word, std::move(b));
    EXPECT_TRUE(child.daemon());
    pid = child.pid();
  }
  EXPECT_FALSE(runs(pid));
}

TEST_P(process, is_terminated_when_an_exception_unwinds_the_stack) {
  auto [a, b] = kin::pipe();
  int pid = 0;
  try {
    kin::process child(with(), wait_for_a_word, std::move(b));
    pid = child.pid();
    throw 1;
  } catch (int) {
  }
  EXPECT_FALSE(runs(pid));
}

void ignore_termination(kin::connection ready) {
  ::signal(SIGTERM, SIG_IGN);
  ready.send(1);
  (void)ready.poll(60s);
}

TEST_P(process, that_ignores_termination_is_killed_2_seconds_later) {
  auto [a, b] = kin::pipe();
  int pid = 0;
  const auto start = std::chrono::steady_clock::now();
  try {
    kin::process child(with(), ignore_termination, std::move(b));
    pid = child.pid();
    (void)a.recv<int>();
    throw 1;
  } catch (int) {
  }
  EXPECT_GE(std::chrono::steady_clock::now() - start, 2s);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 20s);
  EXPECT_FALSE(runs(pid));
}

TEST_P(process, may_be_started_and_joined_while_another_exception_unwinds) {
  struct starter {
    kin::process_options options;
    std::optional<int>* code;
    ~starter() {
      kin::process child(options, leave_with, 6);
      child.join();
      *code = child.exitcode();
      kin::process joined(options, [] { nap(50ms); });
    }
  };
  std::optional<int> code;
  try {
    [[maybe_unused]] const starter s{with(), &code};
    throw 1;
  } catch (int) {
  }
  EXPECT_EQ(code, 6);
}

TEST_P(process, that_was_made_while_one_exception_unwinds_is_terminated_by_the_next) {
  auto [a, b] = kin::pipe();
  std::optional<kin::process> made;
  struct starter {
    kin::process_options options;
    std::optional<kin::process>* made;
    kin::connection end;
    ~starter() { made->emplace(options, wait_for_a_word, std::move(end)); }
  };
  try {
    [[maybe_unused]] const starter s{with(), &made, std::move(b)};
    throw 1;
  } catch (int) {
  }
  const int pid = made->pid();
  try {
    const kin::process moved = std::move(*made);
    throw 2;
  } catch (int) {
  }
  EXPECT_FALSE(runs(pid));
}

TEST_P(process, moves_and_leaves_nothing_in_the_source) {
  kin::process child(with(), leave_with, 5);
  const int pid = child.pid();
  kin::process other(std::move(child));
  // NOLINTBEGIN(bugprone-use-after-move,clang-analyzer-cplusplus.Move): that is the claim
  EXPECT_FALSE(child.joinable());
  EXPECT_THROW((void)child.pid(), kin::closed_error);
  EXPECT_THROW(child.join(), kin::closed_error);
  EXPECT_THROW((void)child.is_alive(), kin::closed_error);
  EXPECT_THROW(child.terminate(), kin::closed_error);
  EXPECT_THROW((void)child.native_handle(), kin::closed_error);
  // NOLINTEND(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
  EXPECT_EQ(other.pid(), pid);
  child = std::move(other);
  child.join();
  EXPECT_EQ(child.exitcode(), 5);
  kin::process empty;
  EXPECT_FALSE(empty.joinable());
  child = std::move(empty);
  EXPECT_FALSE(child.joinable());
}

TEST_P(process, is_joined_before_another_is_assigned) {
  kin::process child(with(), [] { nap(50ms); });
  const int pid = child.pid();
  child = kin::process(with(), leave_with, 2);
  EXPECT_FALSE(runs(pid));
  child.join();
  EXPECT_EQ(child.exitcode(), 2);
}

TEST_P(process, lives_in_a_vector) {
  std::vector<kin::process> children;
  for (int i = 0; i < 10; ++i) children.emplace_back(with(), leave_with, i);
  for (int i = 0; i < 10; ++i) {
    children[static_cast<std::size_t>(i)].join();
    EXPECT_EQ(children[static_cast<std::size_t>(i)].exitcode(), i);
  }
}

// --- foreign waits --------------------------------------------------------------------------------------------------

TEST_P(process, keeps_its_exit_code_when_somebody_else_takes_its_status) {
  if (GetParam() == kin::start::forkserver) GTEST_SKIP() << "its status cannot be taken: see fork_server_test";
  kin::process child(with(), leave_with, 256 + 21);
  int status = 0;
  ASSERT_EQ(::waitpid(-1, &status, 0), child.pid());
  child.join();
  EXPECT_EQ(child.exitcode(), 21);
  EXPECT_TRUE(child.exit_status()->known);
}

TEST_P(process, says_unknown_when_its_status_was_taken_and_it_left_no_word) {
  if (GetParam() == kin::start::forkserver) GTEST_SKIP() << "its status cannot be taken: see fork_server_test";
  kin::process child(with(), die_by, SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(-1, &status, 0), child.pid());
  child.join();
  EXPECT_FALSE(child.exitcode());
  ASSERT_TRUE(child.exit_status());
  EXPECT_FALSE(child.exit_status()->known);
  EXPECT_FALSE(child.exit_status()->success());
  EXPECT_FALSE(child.is_alive());
  EXPECT_FALSE(child.kill());
}

TEST_P(process, keeps_its_exit_code_while_SIGCHLD_is_ignored) {
  ::signal(SIGCHLD, SIG_IGN);
  for (int i = 0; i < 20; ++i) {
    kin::process child(with(), leave_with, i);
    child.join();
    EXPECT_EQ(child.exitcode(), i);
    EXPECT_FALSE(child.terminate());
  }
  kin::process normal(with(), returns_a_number);
  normal.join();
  EXPECT_EQ(normal.exitcode(), 0);
  ::signal(SIGCHLD, SIG_DFL);
}

// --- starting from many threads -------------------------------------------------------------------------------------

TEST_P(process, lives_on_when_the_thread_that_started_it_ends) {
  if (GetParam() == kin::start::fork) GTEST_SKIP() << "refused in a thread that kin did not start";
  auto [a, b] = kin::pipe();
  kin::process child;
  std::thread([&, &end = b] { child = kin::process(with(), wait_for_a_word, std::move(end)); }).join();
  nap(50ms);
  EXPECT_TRUE(child.is_alive());
  a.send(1);
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}

TEST(process_spawned, starts_from_64_threads_while_others_allocate) {
  std::atomic<bool> stop{false};
  std::atomic<int> right{0};
  std::vector<std::thread> threads, noise;
  for (int i = 0; i < 4; ++i)
    noise.emplace_back([&] {
      while (!stop) std::vector<std::string>(50, std::string(100, 'x'));
    });
  for (int i = 0; i < 64; ++i)
    threads.emplace_back([&, i] {
      for (int n = 0; n < 4; ++n) {
        kin::process child(leave_with, i);
        child.join();
        if (child.exitcode() == i) ++right;
      }
    });
  for (auto& t : threads) t.join();
  stop = true;
  for (auto& t : noise) t.join();
  EXPECT_EQ(right, 64 * 4);
}

TEST(process_forked, is_refused_beside_threads_that_kin_did_not_start) {
  std::atomic<bool> stop{false};
  std::thread other([&] {
    while (!stop) nap(1ms);
  });
  EXPECT_THROW(kin::process(kin::start::fork, [] {}), kin::start_error);
  kin::process spawned(leave_with, 1);
  stop = true;
  other.join();
  kin::process allowed(kin::start::fork, [] {});
  allowed.join();
  EXPECT_EQ(allowed.exitcode(), 0);
}

TEST(process_forked, is_allowed_beside_a_thread_of_kins_own_at_once) {
  for (int i = 0; i < 30; ++i) {
    std::thread([] {}).join();
    kin::process child(kin::start::fork, [] {});
    child.join();
    ASSERT_EQ(child.exitcode(), 0);
  }
}

// --- a copy made by the user's own fork() ---------------------------------------------------------------------------

TEST_P(process, is_nobodys_in_a_copy_that_the_user_forked) {
  auto [a, b] = kin::pipe();
  kin::process child(with(), wait_for_a_word, std::move(b));
  const int copy = ::fork();
  if (copy == 0) {
    int good = 0;
    try {
      child.join();
    } catch (const kin::os_error&) {
      ++good;
    }
    try {
      child.kill();
    } catch (const kin::os_error&) {
      ++good;
    }
    if (kin::active_children().empty()) ++good;
    kin::process own(leave_with, 3);
    own.join();
    if (own.exitcode() == 3) ++good;
    kin::process forked(kin::start::fork, [] { std::exit(4); });
    forked.join();
    if (forked.exitcode() == 4) ++good;
    child = kin::process();
    std::_Exit(good);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(copy, &status, 0), copy);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 5);
  EXPECT_TRUE(child.is_alive());
  a.send(1);
}

void fork_and_leave() {
  const int copy = ::fork();
  if (copy == 0) std::exit(7);
  int status = 0;
  while (::waitpid(copy, &status, 0) < 0) {
  }
  std::exit(WEXITSTATUS(status) + 1);
}

TEST_P(process, is_not_spoken_for_by_a_copy_that_its_task_forked) {
  kin::process child(with(), fork_and_leave);
  siginfo_t info{};
  const bool stolen = ::waitid(P_PID, static_cast<id_t>(child.pid()), &info, WEXITED) == 0;
  EXPECT_EQ(stolen, GetParam() != kin::start::forkserver);
  child.join();
  EXPECT_EQ(child.exitcode(), 8);
}

// The deepest says where it is.
void descend(kin::connection to, int depth, int method) {
  try {
    auto [here, there] = kin::pipe();
    kin::process child({.start = method_of(method)}, descend, std::move(there), depth + 1, method);
    to.send(here.recv<int>());
  } catch (const kin::start_error&) {
    to.send(depth);
  }
}

// As programs do that become daemons: kin's descriptors are closed, and their numbers soon somebody else's.
void close_all_and_give_every_number_to(const sockaddr_un& stranger) {
  ::close_range(3, ~0u, 0);
  const int s = ::socket(AF_UNIX, SOCK_STREAM, 0);
  if (s < 0 || ::connect(s, reinterpret_cast<const sockaddr*>(&stranger), sizeof stranger) != 0) std::exit(9);
  for (int fd = 3; fd < 100; ++fd) ::dup2(s, fd);
  try {
    const kin::mutex needs_the_family;
    std::exit(8);
  } catch (const kin::os_error& e) {
    if (e.code().value() != EBADF) std::exit(7);
  }
  std::exit(5);
}

TEST_P(process, says_nothing_to_a_stranger_that_has_the_number_of_its_descriptor) {
  const temporary_folder folder;
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  (folder.path / "s").string().copy(name.sun_path, sizeof name.sun_path - 1);
  const kin::unique_fd door(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(door.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
  ASSERT_EQ(::listen(door.get(), 1), 0);
  kin::process child(
      with(),
      [](std::string path) {
        sockaddr_un to{};
        to.sun_family = AF_UNIX;
        path.copy(to.sun_path, sizeof to.sun_path - 1);
        close_all_and_give_every_number_to(to);
      },
      std::string(name.sun_path));
  const kin::unique_fd peer(::accept4(door.get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(peer);
  char heard[64];
  EXPECT_EQ(::read(peer.get(), heard, sizeof heard), 0) << "kin has spoken to it";
  child.join();
  EXPECT_EQ(child.exitcode(), 5);
}

TEST_P(process, is_16_deep_in_processes_at_most) {
  if (GetParam() == kin::start::fork) GTEST_SKIP() << "a copy is as deep as what it is a copy of";
  auto [here, there] = kin::pipe();
  kin::process first(with(), descend, std::move(there), 1, static_cast<int>(GetParam().which()));
  EXPECT_EQ(here.recv<int>(), 16);
}

}  // namespace
