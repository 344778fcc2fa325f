// SPDX-License-Identifier: BSL-1.0
// guide: the snippets of docs/guide/process.md, as they stand there.
#include <kin/kin.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "process/life.hpp"
#include "support/calls_have_ended.hpp"
#include "support/eventually.hpp"
#include "support/leaves_nothing_behind.hpp"

namespace {

void greet(const std::string& name) { std::cout << "hello " << name << '\n'; }
void use(const std::vector<double>& data) { std::exit(data.size() == 1000 ? 0 : 1); }
void work() {}
void crash() { *static_cast<volatile int*>(nullptr) = 1; }

struct greeter {
  std::string name;
  void operator()() const { greet(name); }
};

// What async keeps for good is made before anything is counted.
const bool warm = kin_test::warm_up([] {
  kin::async([] {}).get();
  if (!kin_test::eventually(kin_test::calls_have_ended)) std::abort();
});

TEST(guide, of_processes_starts_them_as_written) {
  kin::process child(greet, "p1");
  kin::process named({.name = "p2", .daemon = true}, greet, "p2");
  kin::process object(greeter{"p3"});
  int answer = kin::async([](int n) { return n + 1; }, 41).get();
  EXPECT_EQ(answer, 42);
  kin::process fresh(kin::start::forkserver, greet, "p4");
  std::vector<double> data(1000, 1.0);
  kin::process closure(kin::start::fork, [&] { use(data); });
  for (kin::process* p : {&child, &object, &fresh, &closure}) {
    p->join();
    EXPECT_EQ(p->exitcode(), 0) << p->name();
  }
}

TEST(guide, of_processes_gives_options_as_written) {
  const kin_test::temporary_folder folder;
  kin::process tool({.name = "tool",
                     .environment = {{"MODE", "fast"}},
                     .working_directory = "/tmp",
                     .out = kin::redirect::to(folder.path / "tool.log"),
                     .err = kin::redirect::null(),
                     .limits = {.cpu = std::chrono::seconds(60)}},
                    work);
  tool.join();
  EXPECT_EQ(tool.exitcode(), 0);
}

TEST(guide, of_processes_ends_them_as_written) {
  kin::process child(work);
  if (!child.join_for(std::chrono::seconds(60))) child.terminate();
  child.join();
  EXPECT_EQ(child.exitcode(), 0) << child.exit_status()->describe();
  try {
    kin::async(crash).get();
    FAIL() << "nothing was lost";
  } catch (const kin::worker_lost& e) {
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
    EXPECT_EQ(e.signal(), SIGSEGV);
    EXPECT_THAT(e.what(), testing::HasSubstr("(anonymous namespace)::crash()"));
#endif
    EXPECT_GT(e.pid(), 0);
  }
}

TEST(guide, of_processes_names_them_as_written) {
  EXPECT_EQ(kin::current_process().name(), "MainProcess");
  EXPECT_FALSE(kin::parent_process());
  for (const kin::process_view& c : kin::active_children()) std::cout << c.name() << '\n';
  EXPECT_GE(kin::cpu_count(), 1u);
}

}  // namespace
