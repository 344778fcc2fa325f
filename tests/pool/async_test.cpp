// SPDX-License-Identifier: BSL-1.0
// async: a fresh process for one call, by every start method and with options of its own.
#include <kin/async.hpp>

#include <sys/resource.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include <kin/event.hpp>
#include <kin/process.hpp>

#include "contracts/pool_contract.hpp"
#include "support/calls_have_ended.hpp"
#include "support/eventually.hpp"
#include "support/leaves_nothing_behind.hpp"

namespace kin_test {
namespace {

// The pools behind async last as long as the process.
const bool warm = warm_up([] {
  (void)kin::async(kin::start::fork, own_pid).get();
  (void)kin::async(kin::start::forkserver, own_pid).get();
  (void)kin::async(own_pid).get();
  if (!eventually(calls_have_ended)) std::abort();
});

int global = 1;
int read_global() { return global; }

TEST(async, brings_back_the_value_of_a_call_in_another_process) {
  EXPECT_EQ(kin::async(square, 7).get(), 49);
  EXPECT_EQ(kin::async([](std::string s) { return s + "!"; }, "é").get(), "é!");
  std::set<int> pids{::getpid()};
  for (int i = 0; i < 3; ++i) pids.insert(kin::async(own_pid).get());
  EXPECT_EQ(pids.size(), 4u);
  static_assert(std::is_void_v<decltype(kin::async([] {}).get())>);
}

TEST(async, brings_back_the_exception_and_tells_a_death) {
  EXPECT_THROW(kin::async([] { throw std::out_of_range("there"); }).get(), std::out_of_range);
  EXPECT_THROW(kin::async(die_by, SIGKILL).get(), kin::worker_lost);
  try {
    kin::async({.name = "leaver"}, [] { std::exit(4); }).get();
    FAIL();
  } catch (const kin::worker_lost& e) {
    EXPECT_EQ(e.code(), 4);
    EXPECT_EQ(e.task(), "leaver");
  }
}

TEST(async, starts_by_the_method_that_it_is_told) {
  global = 2;
  EXPECT_EQ(kin::async(read_global).get(), 1);
  EXPECT_EQ(kin::async(kin::start::spawn, read_global).get(), 1);
  EXPECT_EQ(kin::async(kin::start::forkserver, read_global).get(), 1);
  EXPECT_EQ(kin::async(kin::start::fork, read_global).get(), 2);
  global = 3;
  EXPECT_EQ(kin::async(kin::start::fork, read_global).get(), 3);  // a copy of now, not of the first call
  EXPECT_EQ(kin::async(kin::process_options{.start = kin::start::fork}, read_global).get(), 3);
  EXPECT_THROW(kin::async(kin::start::forkserver, {.timeout = 50ms}, nap, 60000).get(), kin::task_timeout);
  global = 1;
}

TEST(async, starts_in_the_surroundings_that_it_is_told) {
  kin::process_options there{.name = "helper"};
  there.environment = {{"KIN_ASYNC", "yes"}};
  there.working_directory = "/tmp";
  there.limits.open_files = 77;
  const auto told = kin::async(
                        there,
                        [](int n) {
                          rlimit files{};
                          ::getrlimit(RLIMIT_NOFILE, &files);
                          const char* const value = std::getenv("KIN_ASYNC");
                          return std::tuple(n, kin::current_process().name(), std::string(value ? value : "unset"),
                                            std::filesystem::current_path().string(), files.rlim_cur);
                        },
                        5)
                        .get();
  EXPECT_EQ(told, std::tuple(5, std::string("helper"), std::string("yes"), std::string("/tmp"), rlim_t{77}));
  there.working_directory = "/nowhere/at/all";
  EXPECT_THROW(kin::async(there, square, 2).get(), kin::error);
}

TEST(async, may_be_under_way_many_times) {
  std::vector<kin::future<int>> all;
  const kin::start_method::kind kinds[] = {kin::start_method::kind::spawn, kin::start_method::kind::forkserver};
  for (int i = 0; i < 12; ++i)
    all.push_back(kinds[i % 2] == kinds[0] ? kin::async(square, i) : kin::async(kin::start::forkserver, square, i));
  for (int i = 0; i < 12; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i * i);
}

TEST(async, is_cancelled_by_its_future_and_not_by_its_end) {
  const kin::event running, ended;
  const auto waits = [](const kin::event& run, const kin::event& end) {
    run.set();
    end.wait();
  };
  auto f = kin::async(waits, running, ended);
  running.wait();
  EXPECT_TRUE(f.cancel());
  EXPECT_THROW(f.get(), kin::cancelled_error);

  auto g = kin::async(kin::process_options{}, waits, running, ended);
  EXPECT_TRUE(g.cancel());
  EXPECT_THROW(g.get(), kin::cancelled_error);

  const kin::event done;
  {
    (void)kin::async([](const kin::event& d) { d.set(); }, done);
  }
  {
    (void)kin::async(
        kin::process_options{}, [](const kin::event& d) { d.wait(); }, done);
  }
  EXPECT_TRUE(done.wait_for(60s));
  while (!kin::active_children().empty()) std::this_thread::yield();
}

TEST(async, may_be_called_by_what_it_calls) {
  EXPECT_EQ(kin::async([](int n) { return kin::async(square, n).get() + 1; }, 3).get(), 10);
  EXPECT_EQ(kin::async(
                kin::start::fork, [](int n) { return kin::async(kin::start::fork, square, n).get() + 1; }, 4)
                .get(),
            17);
}

}  // namespace
}  // namespace kin_test
