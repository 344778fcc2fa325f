// SPDX-License-Identifier: BSL-1.0
// What CPython's own tests ask of a Process, asked of kin::process by every start method.
#include <kin/process.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/time.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <kin/pipe.hpp>
#include <kin/pool.hpp>
#include <kin/queue.hpp>
#include <kin/wait.hpp>

#include "process/life.hpp"

using namespace kin_test;

namespace {

class python_process : public every_start {};
INSTANTIATE_TEST_SUITE_P(by, python_process, start_methods, start_name);

void leave_with(int code) { std::exit(code); }
void wait_for_a_word(kin::connection from) { (void)from.recv<int>(); }
bool among_children(int pid) {
  return std::ranges::any_of(kin::active_children(), [&](const kin::process_view& c) { return c.pid() == pid; });
}

// --- what a child is given, and what is known of it ------------------------------------------------------------------

void tell_what_it_got(kin::connection to, int n, const std::string& text, const std::vector<double>& numbers) {
  to.send(n);
  to.send(text);
  to.send(numbers);
  to.send(kin::current_process().name());
  to.send(::getpid());
}

TEST_P(python_process, passes_its_arguments_on_and_is_known_from_start_to_end) {
  const auto before = kin::active_children();
  auto [a, b] = kin::pipe();
  auto [word, listens] = kin::pipe();
  kin::process child(
      with({.name = "SomeProcess"}),
      [](kin::connection to, kin::connection from, int n, const std::string& text, const std::vector<double>& numbers) {
        tell_what_it_got(std::move(to), n, text, numbers);
        wait_for_a_word(std::move(from));
      },
      std::move(b), std::move(listens), 1, "two", std::vector{3.0, 4.5});
  EXPECT_TRUE(child.is_alive());
  EXPECT_FALSE(child.daemon());
  EXPECT_FALSE(child.exitcode());
  EXPECT_TRUE(among_children(child.pid()));
  EXPECT_EQ(kin::active_children().size(), before.size() + 1);

  EXPECT_EQ(a.recv<int>(), 1);
  EXPECT_EQ(a.recv<std::string>(), "two");
  EXPECT_EQ(a.recv<std::vector<double>>(), (std::vector{3.0, 4.5}));
  EXPECT_EQ(a.recv<std::string>(), "SomeProcess");
  EXPECT_EQ(a.recv<int>(), child.pid());

  word.send(1);
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
  EXPECT_FALSE(child.is_alive());
  EXPECT_FALSE(among_children(child.pid()));
}

TEST_P(python_process, is_a_daemon_only_when_asked) {
  const kin::process plain(with(), leave_with, 0), daemon(with({.daemon = true}), leave_with, 0);
  EXPECT_FALSE(plain.daemon());
  EXPECT_TRUE(daemon.daemon());
}

TEST_P(python_process, knows_the_process_that_started_it) {
  EXPECT_FALSE(kin::parent_process());
  auto [a, b] = kin::pipe();
  kin::process child(
      with({.name = "child"}),
      [](kin::connection to) {
        const auto parent = kin::parent_process();
        to.send(parent->pid());
        to.send(parent->name());
        to.send(parent->is_alive());
        to.send(parent->join_for(1ms));  // it lives
      },
      std::move(b));
  EXPECT_EQ(a.recv<int>(), ::getpid());
  EXPECT_EQ(a.recv<std::string>(), "MainProcess");
  EXPECT_TRUE(a.recv<bool>());
  EXPECT_FALSE(a.recv<bool>());
}

// The word that Python's tests call a "kwarg": an object of the caller's is not kept alive by a child that has started.
TEST_P(python_process, keeps_nothing_of_what_was_moved_into_its_arguments) {
  auto [a, b] = kin::pipe();
  auto number = std::make_shared<int>(7);
  const std::weak_ptr<int> watch = number;
  kin::process child(
      with(),
      [](kin::connection from, const std::shared_ptr<int>& n) {
        wait_for_a_word(std::move(from));
        std::exit(*n);
      },
      std::move(b), std::move(number));
  EXPECT_TRUE(watch.expired());
  EXPECT_TRUE(child.is_alive());
  a.send(1);
  child.join();
  EXPECT_EQ(child.exitcode(), 7);
}

int descriptors_here() {
  return static_cast<int>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}
TEST_P(python_process, has_no_more_descriptors_however_many_were_started_before_it) {
  constexpr int children = 8;
  std::vector<kin::process> waiting;
  std::vector<kin::connection> words;
  std::vector<int> counts;
  auto [a, b] = kin::pipe();
  for (int i = 0; i < children; ++i) {
    auto [counted, counts_there] = kin::pipe();
    auto [word, listens] = kin::pipe();
    waiting.emplace_back(
        with(),
        [](kin::connection to, kin::connection from) {
          to.send(descriptors_here());
          wait_for_a_word(std::move(from));
        },
        std::move(counts_there), std::move(listens));
    words.push_back(std::move(word));
    counts.push_back(counted.recv<int>());
  }
  // A forked child has the user's own descriptors, among which is one more word for each child before it.
  const int more = GetParam() == kin::start::fork ? counts[1] - counts[0] : 0;
  for (int i = 0; i < children; ++i)
    EXPECT_EQ(counts[static_cast<std::size_t>(i)], counts[0] + i * more) << "child " << i;
  for (auto& word : words) word.send(1);
}

// --- families --------------------------------------------------------------------------------------------------------

// A process for each node of a tree, depth first: each tells its path, then starts its two children one by one.
void grow(const kin::queue<std::vector<int>>& paths, std::vector<int> path, int method) {
  paths.put(path);
  if (path.size() == 2) return;
  for (int i = 0; i < 2; ++i) {
    auto longer = path;
    longer.push_back(i);
    kin::process_options options;
    options.start = method_of(method);
    kin::process child(options, grow, paths, longer, method);
    child.join();
  }
}
TEST_P(python_process, may_start_processes_that_start_processes) {
  const kin::queue<std::vector<int>> paths;
  grow(paths, {}, static_cast<int>(GetParam().which()));
  std::vector<std::vector<int>> seen;
  while (auto path = paths.try_get()) seen.push_back(*path);
  EXPECT_EQ(seen, (std::vector<std::vector<int>>{{}, {0}, {0, 0}, {0, 1}, {1}, {1, 0}, {1, 1}}));
}

TEST_P(python_process, may_have_a_pool_of_its_own) {
  auto [a, b] = kin::pipe();
  kin::process child(
      with(),
      [](kin::connection to, int method) {
        kin::pool_options options;
        options.workers = 4;
        options.start = method_of(method);
        kin::pool workers(std::move(options));
        to.send(workers.map([](int n) { return n * n; }, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
      },
      std::move(b), static_cast<int>(GetParam().which()));
  EXPECT_EQ(a.recv<std::vector<int>>(), (std::vector<int>{0, 1, 4, 9, 16, 25, 36, 49, 64, 81}));
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}

TEST_P(python_process, may_be_one_of_many) {
  std::vector<kin::process> all;
  for (int i = 0; i < 12; ++i) all.emplace_back(with(), leave_with, i);
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].join();
    EXPECT_EQ(all[i].exitcode(), static_cast<int>(i));
  }
  all.clear();
  std::vector<kin::connection> words;
  for (int i = 0; i < 12; ++i) {
    auto [word, listens] = kin::pipe();
    words.push_back(std::move(word));
    all.emplace_back(with(), wait_for_a_word, std::move(listens));
  }
  for (auto& child : all) EXPECT_TRUE(child.terminate());
  for (auto& child : all) {
    child.join();
    EXPECT_EQ(child.exitcode(), -SIGTERM);
  }
}

// --- waiting and ending ----------------------------------------------------------------------------------------------

TEST_P(python_process, gives_up_a_join_at_once_when_there_is_no_time_and_is_then_ended) {
  for (const bool by_kill : {false, true}) {
    auto [a, b] = kin::pipe();
    kin::process child(with({.daemon = true}), wait_for_a_word, std::move(b));
    const auto start = std::chrono::steady_clock::now();
    EXPECT_FALSE(child.join_for(0s));
    EXPECT_FALSE(child.join_for(-1s));
    EXPECT_FALSE(child.join_until(start - 1s));
    EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
    EXPECT_TRUE(child.is_alive());
    EXPECT_TRUE(by_kill ? child.kill() : child.terminate());
    EXPECT_TRUE(child.join_for(30s));
    EXPECT_FALSE(child.is_alive());
    EXPECT_EQ(child.exitcode(), by_kill ? -SIGKILL : -SIGTERM);
    child.join();
  }
}

TEST_P(python_process, has_a_sentinel_that_becomes_ready_when_it_ends) {
  auto [a, b] = kin::pipe();
  kin::process child(with(), wait_for_a_word, std::move(b));
  const kin::fd sentinel(child.native_handle());
  EXPECT_FALSE(kin::wait({sentinel}, 10ms));
  a.send(1);
  EXPECT_TRUE(kin::wait({sentinel}, 30s));
  EXPECT_TRUE(kin::wait({sentinel}, 0s));  // and stays so
  child.join();
  EXPECT_TRUE(kin::wait({sentinel}, 0s));
}

TEST_P(python_process, ends_with_the_code_that_its_callable_exits_with) {
  for (const int code : {0, 1, 8, 255}) {
    kin::process child(with(), leave_with, code);
    child.join();
    EXPECT_EQ(child.exitcode(), code);
  }
  kin::process returned(with(), [] {});
  returned.join();
  EXPECT_EQ(returned.exitcode(), 0);
}

TEST_P(python_process, prints_what_it_did_not_catch) {
  temporary_folder folder;
  const auto file = folder.path / "stderr";
  kin::process child(with({.name = "divider", .err = kin::redirect::to(file)}),
                     [] { throw std::domain_error("1 / 0"); });
  child.join();
  EXPECT_EQ(child.exitcode(), 1);
  EXPECT_THAT(contents(file), testing::HasSubstr("Process divider:"));
  EXPECT_THAT(contents(file), testing::HasSubstr("std::domain_error: 1 / 0"));
}

TEST_P(python_process, starts_and_ends_well_where_nothing_can_be_printed) {
  // In a process of its own, whose stdout and stderr are closed, or full.
  for (const bool full : {false, true}) {
    const kin::queue<std::string> story;
    kin::process outer(
        with(),
        [](const kin::queue<std::string>& tell, bool to_full, int method) {
          std::fflush(nullptr);
          ::close(1);
          ::close(2);
          if (to_full && (::open("/dev/full", O_WRONLY) != 1 || ::dup(1) != 2)) tell.put("no /dev/full");
          try {
            kin::process_options options;
            options.start = method_of(method);
            kin::process prints(options, [] {
              std::puts("nobody reads this");
              throw std::runtime_error("nor this");
            });
            prints.join();
            tell.put("exit code " + std::to_string(prints.exitcode().value()));
          } catch (const std::exception& e) {
            tell.put(e.what());
          }
        },
        story, full, static_cast<int>(GetParam().which()));
    outer.join();
    EXPECT_EQ(story.get_for(30s), "exit code 1") << (full ? "full" : "closed");
  }
}

TEST_P(python_process, is_joined_to_its_end_although_signals_interrupt_the_wait) {
  static volatile std::sig_atomic_t interruptions;
  interruptions = 0;
  struct sigaction count {
  }, before{};
  count.sa_handler = [](int) { interruptions = interruptions + 1; };
  ASSERT_EQ(::sigaction(SIGUSR1, &count, &before), 0);  // without SA_RESTART
  auto [a, b] = kin::pipe();
  kin::process child(
      with(),
      [](kin::connection from, int parent) {
        (void)from.recv<int>();
        for (int i = 0; i < 20; ++i) {
          ::kill(parent, SIGUSR1);
          std::this_thread::sleep_for(1ms);
        }
        std::exit(5);
      },
      std::move(b), ::getpid());
  a.send(1);
  child.join();
  EXPECT_EQ(child.exitcode(), 5);
  EXPECT_GT(interruptions, 0);
  ::sigaction(SIGUSR1, &before, nullptr);
}

// --- the class form --------------------------------------------------------------------------------------------------

struct upper_caser {
  kin::queue<std::string> words, answers;
  void operator()() const {
    for (std::string& word : words) {
      std::ranges::transform(word, word.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
      answers.put(word);
    }
  }
};
TEST_P(python_process, runs_an_object_that_holds_its_own_channels) {
  const upper_caser object;
  kin::process child(with(), object);
  for (const std::string word : {"hello", "world"}) {
    object.words.put(word);
    EXPECT_EQ(object.answers.get_for(30s), word == "hello" ? "HELLO" : "WORLD");
  }
  object.words.close();
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}

}  // namespace
