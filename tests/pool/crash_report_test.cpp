// SPDX-License-Identifier: BSL-1.0
// crash_report: what worker_lost tells of a crash. Under a sanitizer, which keeps the signals for itself, only the exit
// is known.
#include <kin/kin.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>

#include "support/leaves_nothing_behind.hpp"

namespace crash_test {

[[maybe_unused]] const bool warm = kin_test::warm_up([] { kin::process([] {}).join(); });

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#elif defined(__has_feature)
constexpr bool sanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool sanitized = false;
#endif

[[gnu::noinline]] int read_through(const volatile int* p) {
  return *p + 1;  // NOLINT(clang-analyzer-core.NullDereference): that is the crash
}
[[gnu::noinline]] int the_users_function(int x) { return read_through(nullptr) + x; }
[[gnu::noinline]] int without_end(int x) {
  volatile char room[4096];
  std::memset(const_cast<char*>(room), x, sizeof room);
  return x < 0 ? room[7] : without_end(x + 1) + room[7];
}

class crash_report : public testing::TestWithParam<kin::start_method> {
 protected:
  void SetUp() override {
    if (sanitized) GTEST_SKIP() << "the sanitizer handles these signals";
  }
  template <class Task>
  static std::string story_of(Task task) {
    kin::pool workers({.workers = 1, .start = GetParam()});
    try {
      workers.apply(task, 1);
    } catch (const kin::worker_lost& e) {
      return e.what();
    }
    return "no crash";
  }
};
INSTANTIATE_TEST_SUITE_P(by, crash_report,
                         testing::Values(kin::start_method(kin::start::spawn),
                                         kin::start_method(kin::start::forkserver),
                                         kin::start_method(kin::start::fork)),
                         [](const auto& of) { return std::string(of.param.name()); });

TEST_P(crash_report, names_the_signal_the_address_and_the_users_functions) {
  const std::string story = story_of(the_users_function);
  EXPECT_NE(story.find("SIGSEGV at address 0x0, address not mapped"), std::string::npos) << story;
  EXPECT_NE(story.find("crash_test::read_through"), std::string::npos) << story;
  EXPECT_NE(story.find("that ran crash_test::the_users_function(int) was lost"), std::string::npos) << story;
  EXPECT_NE(story.find("  #1 crash_test::the_users_function(int)"), std::string::npos) << story;
}

TEST_P(crash_report, ends_where_the_task_begins) {
  const std::string story = story_of(the_users_function);
  EXPECT_EQ(story.find("kin::detail"), std::string::npos) << story;
  EXPECT_EQ(story.find("std::__invoke"), std::string::npos) << story;
}

// The compiler makes such a task part of the function that would call it, and there is no frame of its own.
TEST_P(crash_report, has_the_place_of_a_task_that_was_inlined) {
  const std::string alone = story_of([](int x) __attribute__((always_inline)) {
    volatile int* volatile nowhere = nullptr;
    *nowhere = x;  // NOLINT(clang-analyzer-core.NullDereference): that is the crash
    return 0;
  });
  EXPECT_NE(alone.find("\n  #0 "), std::string::npos) << alone;
  const std::string in_a_library = story_of([](int) __attribute__((always_inline))->int { std::abort(); });
  const auto last = in_a_library.rfind("\n  #");
  ASSERT_NE(last, std::string::npos) << in_a_library;
  EXPECT_EQ(in_a_library.find("libc", last), std::string::npos) << in_a_library;
}

TEST_P(crash_report, tells_of_a_stack_overflow) {
  EXPECT_NE(story_of(without_end).find("crash_test::without_end(int)"), std::string::npos);
}

TEST_P(crash_report, tells_of_a_call_through_a_null_pointer) {
  const std::string story = story_of([](int x) {
    int (*volatile nowhere)(int) = nullptr;
    return nowhere(x) + 1;  // NOLINT(clang-analyzer-core.CallAndMessage): that is the crash
  });
  EXPECT_NE(story.find("no code"), std::string::npos) << story;
}

TEST_P(crash_report, tells_of_an_abort) {
  EXPECT_NE(story_of([](int) -> int { std::abort(); }).find("SIGABRT"), std::string::npos);
}

TEST_P(crash_report, tells_who_sent_a_signal_instead_of_an_address) {
  const std::string story = story_of([](int) { return std::raise(SIGSEGV); });
  EXPECT_NE(story.find("crashed with SIGSEGV, which it sent itself"), std::string::npos) << story;
  kin::pool workers({.workers = 1, .start = GetParam()});
  const auto pid = workers.apply([] { return ::getpid(); });
  const kin::event runs;
  const auto task = workers.apply_async([](const kin::event& e) { e.set(), ::pause(); }, runs);
  runs.wait();
  ASSERT_EQ(::kill(pid, SIGBUS), 0);
  try {
    task.get();
    FAIL();
  } catch (const kin::worker_lost& e) {
    const std::string text = e.what();
    EXPECT_NE(text.find("crashed with SIGBUS, sent by process " + std::to_string(::getpid())), std::string::npos)
        << text;
  }
}

// Before kin's: a static object's constructor, in a program that is run anew for each child.
constexpr const char* own_handler = "KIN_TEST_HANDLES_SIGFPE";
volatile std::sig_atomic_t handled = 0;
[[maybe_unused]] const bool handles_sigfpe = [] {
  if (std::getenv(own_handler) == nullptr) return false;
  std::signal(SIGFPE, [](int) { handled = handled + 1; });
  return true;
}();

int handles_its_own() {
  std::raise(SIGFPE);
  return handled;
}

TEST(crash_report_spawned, leaves_a_signal_alone_that_a_static_object_handles) {
  if (sanitized) GTEST_SKIP() << "the sanitizer handles these signals";
  kin::process caller({.environment = {{own_handler, "yes"}}}, [] {
    kin::pool workers({.workers = 1});
    std::exit(workers.apply(handles_its_own));
  });
  caller.join();
  EXPECT_EQ(caller.exitcode(), 1);
}

TEST_P(crash_report, leaves_a_signal_alone_that_a_task_handles) {
  kin::pool workers({.workers = 1, .start = GetParam()});
  workers.apply([] { std::signal(SIGFPE, [](int) { handled = handled + 1; }); });
  EXPECT_EQ(workers.apply(handles_its_own), 1);
  EXPECT_EQ(workers.apply(handles_its_own), 2);
}

TEST_P(crash_report, is_absent_after_sigkill) {
  const std::string story = story_of([](int) { std::raise(SIGKILL); });
  EXPECT_NE(story.find("SIGKILL"), std::string::npos) << story;
  EXPECT_EQ(story.find("crashed"), std::string::npos) << story;
}

}  // namespace crash_test
