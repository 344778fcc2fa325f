// SPDX-License-Identifier: BSL-1.0
// log: whoever asks hears of starts, ends and recoveries; a child hears nothing of its parent's.
#include <kin/kin.hpp>
#include <kin/log.hpp>

#include <gmock/gmock.h>
#include <signal.h>

#include <mutex>
#include <string>
#include <vector>

#include "process/fork_server.hpp"
#include "process/life.hpp"

using namespace kin_test;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

namespace {

class heard {
 public:
  heard() {
    kin::set_log([this](const kin::log_record& r) {
      const std::lock_guard hold(mutex_);
      said_.push_back(r.text);
    });
  }
  heard(const heard&) = delete;
  heard& operator=(const heard&) = delete;
  ~heard() { kin::set_log({}); }
  std::vector<std::string> all() {
    const std::lock_guard hold(mutex_);
    return said_;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> said_;
};

class logged : public testing::TestWithParam<kin::start_method> {};
INSTANTIATE_TEST_SUITE_P(by, logged,
                         testing::Values(kin::start_method(kin::start::spawn),
                                         kin::start_method(kin::start::forkserver),
                                         kin::start_method(kin::start::fork)),
                         [](const auto& of) { return std::string(of.param.name()); });

TEST_P(logged, tells_of_starts_and_ends) {
  heard log;
  kin::process child({.name = "miller", .start = GetParam()}, [] { std::_Exit(3); });
  child.join();
  EXPECT_EQ(child.exitcode(), 3);
  EXPECT_EQ(child.exitcode(), 3);
  const std::string name = "kin: process miller (" + std::to_string(child.pid()) + ") ";
  EXPECT_THAT(log.all(), testing::ElementsAre(name + "was started by " + std::string(GetParam().name()),
                                              name + "has ended: exit code 3"));
}

TEST_P(logged, is_not_a_childs) {
  heard log;
  const kin::value<int> heard_in_child(0);
  kin::process child(
      {.start = GetParam()},
      [](const kin::value<int>& said) {
        kin::detail::log(kin::log_record::severity::info, "in a child");
        said = kin::detail::log_is_wanted() ? 1 : 2;
      },
      heard_in_child);
  child.join();
  EXPECT_EQ(heard_in_child.load(), 2);
  EXPECT_THAT(log.all(), Not(Contains("in a child")));
}

TEST_P(logged, tells_of_a_mutex_that_was_recovered) {
  heard log;
  const kin::mutex mutex;
  mutex.recover().unlock();  // nobody had it: nothing to tell of
  kin::process(
      {.start = GetParam()},
      [](const kin::mutex& m) {
        m.lock();
        ::raise(SIGKILL);
      },
      mutex)
      .join();
  EXPECT_THAT(log.all(), Not(Contains(HasSubstr("recovered"))));
  EXPECT_THROW(mutex.lock(), kin::owner_died);
  mutex.recover().unlock();
  EXPECT_THAT(log.all(), Contains(AllOf(HasSubstr("recovered a mutex"), HasSubstr(std::to_string(::getpid())))));
}

// In a copy of this process, whose server is its own.
TEST(log_of_servers, tells_of_a_fork_server_that_was_replaced) {
  kin::process copy(kin::start::fork, [] {
    kin::process({.start = kin::start::forkserver}, [] {}).join();
    heard log;
    const int server = kin::detail::fork_server::current_pid();
    EXPECT_EQ(::kill(server, SIGKILL), 0);
    EXPECT_TRUE(becomes_true([&] { return !runs(server); }, 10s));
    kin::process({.start = kin::start::forkserver}, [] {}).join();
    EXPECT_THAT(log.all(), Contains("kin: the fork server could not go on; process " +
                                    std::to_string(kin::detail::fork_server::current_pid()) + " replaces it"));
    std::_Exit(testing::Test::HasFailure() ? 1 : 42);
  });
  copy.join();
  EXPECT_EQ(copy.exitcode(), 42);
}

TEST(log_of_sinks, drops_what_a_sink_causes_itself) {
  std::vector<std::string> said;
  kin::set_log([&](const kin::log_record& r) {
    said.push_back(r.text);
    kin::detail::log(kin::log_record::severity::info, "again");
  });
  kin::detail::log(kin::log_record::severity::info, "once");
  kin::set_log({});
  EXPECT_THAT(said, testing::ElementsAre("once"));
}

}  // namespace
