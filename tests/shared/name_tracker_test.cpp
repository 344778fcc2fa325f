// SPDX-License-Identifier: BSL-1.0
// name_tracker: the names that a program has in /dev/shm, after it was killed with all its processes.
#include <kin/pipe.hpp>
#include <kin/process.hpp>
#include <kin/shared_memory.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "os/gate.hpp"
#include "support/leaves_nothing_behind.hpp"

namespace {

const bool warm =
    kin_test::warm_up([] { const kin::shared_memory named(1, {.name = "kin-test-warm-" + std::to_string(getpid())}); });

std::string own_name(const std::string& what) { return "kin-test-" + std::to_string(getpid()) + "-" + what; }
bool exists(const std::string& name) { return access(("/dev/shm/" + name).c_str(), F_OK) == 0; }

bool is_gone(const std::string& name) {
  for (int i = 0; i < 20'000 && exists(name); ++i) usleep(1000);
  return !exists(name);
}

// The processes that were started for the names of the family whose root this is.
std::vector<pid_t> trackers_of(pid_t root) {
  const std::string mark = "KIN_CHILD=3:" + std::to_string(root) + ":-1";
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string number = entry.path().filename();
    if (number.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "environ", std::ios::binary);
    std::string text(std::istreambuf_iterator<char>(file), {});
    if (('\0' + text).find('\0' + mark + '\0') != std::string::npos) found.push_back(std::stoi(number));
  }
  return found;
}

void wait_for_end(pid_t pid) {
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (pidfd < 0) return;
  pollfd end{pidfd, POLLIN, 0};
  EXPECT_EQ(poll(&end, 1, 20'000), 1) << "process " << pid << " does not end";
  close(pidfd);
}

/// Another first process: this program again, which does what KIN_TEST_ROOT says with KIN_TEST_NAME.
class first_process {
 public:
  first_process(const std::string& what, const std::string& name) : pid_(fork()) {
    if (pid_ != 0) return;
    setenv("KIN_TEST_ROOT", what.c_str(), 1);
    setenv("KIN_TEST_NAME", name.c_str(), 1);
    execl("/proc/self/exe", "again", "--gtest_filter=name_tracker.DISABLED_first_process",
          "--gtest_also_run_disabled_tests", nullptr);
    _exit(127);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] int join() const {
    int status = 0;
    waitpid(pid_, &status, 0);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  }

 private:
  pid_t pid_;
};

void hold(const kin::shared_memory& block, kin::connection here) {
  here.send(block.size() == 10);
  for (;;) pause();
}

void be_first_process(const std::string& what, const std::string& name) {
  const kin::shared_memory block(10, {.name = name});
  ASSERT_TRUE(exists(name));
  if (what == "killed") {
    auto [from, to] = kin::pipe();
    const kin::process child({.daemon = true}, hold, block, std::move(to));
    ASSERT_TRUE(from.recv<bool>());
    raise(SIGKILL);
  } else if (what == "terminated") {
    raise(SIGTERM);
  } else if (what == "left") {
    _exit(3);
  } else if (what == "another program") {
    execl("/bin/true", "true", nullptr);
  } else if (what == "group killed") {
    setpgid(0, 0);
    kill(0, SIGKILL);
  } else if (what == "a stranger's") {
    ASSERT_EQ(shm_unlink(("/" + name).c_str()), 0);
    const int fd = shm_open(("/" + name).c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
    ASSERT_GE(fd, 0);
    raise(SIGKILL);
  } else if (what == "tracker killed") {
    const auto first = trackers_of(getpid());
    ASSERT_EQ(first.size(), 1U);
    ASSERT_EQ(kill(first[0], SIGKILL), 0);
    wait_for_end(first[0]);
    std::vector<kin::shared_memory> more;
    for (int i = 0; i < 300; ++i)
      more.emplace_back(10, kin::shared_memory_options{.name = name + "-" + std::to_string(i)});
    ASSERT_EQ(trackers_of(getpid()).size(), 1U);
    raise(SIGKILL);
  } else if (what == "tracker stopped") {
    const auto first = trackers_of(getpid());
    ASSERT_EQ(first.size(), 1U);
    ASSERT_EQ(kill(first[0], SIGSTOP), 0);
    for (int i = 0; i < 1000; ++i) const kin::shared_memory more(10, {.name = name + "-2"});
    const kin::shared_memory last(10, {.name = name + "-3"});
    ASSERT_EQ(trackers_of(getpid()).size(), 1U);
    ASSERT_EQ(kill(first[0], SIGCONT), 0);
    raise(SIGKILL);
  }
  FAIL() << what;
}

TEST(name_tracker, DISABLED_first_process) {
  kin_test::leave_this_one_alone("is killed");
  const char* what = std::getenv("KIN_TEST_ROOT");
  const char* name = std::getenv("KIN_TEST_NAME");
  ASSERT_NE(what, nullptr);
  ASSERT_NE(name, nullptr);
  be_first_process(what, name);
}

TEST(name_tracker, removes_the_name_when_a_whole_family_is_killed_and_ends) {
  const std::string name = own_name("killed");
  const first_process root("killed", name);
  EXPECT_EQ(root.join(), -SIGKILL);
  EXPECT_TRUE(is_gone(name));
  for (const pid_t pid : trackers_of(root.pid())) wait_for_end(pid);
}

TEST(name_tracker, is_not_of_the_process_group_of_the_family) {
  const std::string name = own_name("group");
  EXPECT_EQ(first_process("group killed", name).join(), -SIGKILL);
  EXPECT_TRUE(is_gone(name));
}

TEST(name_tracker, removes_the_name_after_a_signal_exit_and_exec) {
  const std::string name = own_name("ended");
  EXPECT_EQ(first_process("terminated", name).join(), -SIGTERM);
  EXPECT_TRUE(is_gone(name));
  EXPECT_EQ(first_process("left", name).join(), 3);
  EXPECT_TRUE(is_gone(name));
  EXPECT_EQ(first_process("another program", name).join(), 0);
  EXPECT_TRUE(is_gone(name));
}

TEST(name_tracker, leaves_a_name_that_is_a_strangers_by_now) {
  const std::string name = own_name("taken");
  const first_process root("a stranger's", name);
  EXPECT_EQ(root.join(), -SIGKILL);
  for (const pid_t pid : trackers_of(root.pid())) wait_for_end(pid);
  EXPECT_TRUE(exists(name));
  EXPECT_TRUE(kin::shared_memory::unlink(name));
}

TEST(name_tracker, that_was_killed_is_replaced_by_one_that_knows_all_names) {
  const std::string name = own_name("replaced");
  EXPECT_EQ(first_process("tracker killed", name).join(), -SIGKILL);
  EXPECT_TRUE(is_gone(name));
  for (int i = 0; i < 300; ++i) EXPECT_TRUE(is_gone(name + "-" + std::to_string(i))) << i;
}

TEST(name_tracker, that_is_stopped_holds_nobody_up_and_goes_on_later) {
  const std::string name = own_name("stopped");
  EXPECT_EQ(first_process("tracker stopped", name).join(), -SIGKILL);
  EXPECT_TRUE(is_gone(name));
  EXPECT_TRUE(is_gone(name + "-2"));
  EXPECT_TRUE(is_gone(name + "-3"));
}

TEST(name_tracker, is_one_for_all_names_and_nobodys_child) {
  std::vector<pid_t> seen;
  {
    const kin::shared_memory first(10, {.name = own_name("first")});
    const kin::shared_memory second(10, {.name = own_name("second")});
    seen = trackers_of(getpid());
    EXPECT_EQ(seen.size(), 1U);
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
  }
  const kin::shared_memory third(10, {.name = own_name("third")});
  EXPECT_EQ(trackers_of(getpid()), seen);
}

TEST(name_tracker, that_cannot_be_started_is_an_error_and_leaves_no_name) {
  kin_test::leave_this_one_alone("another one is started");
  { const kin::shared_memory first(10, {.name = own_name("first")}); }
  for (const pid_t pid : trackers_of(getpid())) {
    kill(pid, SIGKILL);
    wait_for_end(pid);
  }
  const std::string name = own_name("fault");
  for (const char* call : {"socketpair", "pidfd_open", "clone"}) {
    kin::os::inject_fault(call, 1, EMFILE);
    EXPECT_THROW(kin::shared_memory(10, {.name = name}), kin::os_error) << call;
    kin::os::inject_fault(nullptr, 0, 0);
    EXPECT_FALSE(exists(name)) << call;
  }
  const kin::shared_memory block(10, {.name = name});
  EXPECT_EQ(trackers_of(getpid()).size(), 1U);
}

TEST(name_tracker, knows_no_name_that_was_taken_already) {
  const std::string name = own_name("had");
  const int fd = shm_open(("/" + name).c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
  ASSERT_GE(fd, 0);
  close(fd);
  try {
    const kin::shared_memory block(10, {.name = name});
    FAIL();
  } catch (const kin::os_error& e) {
    EXPECT_EQ(e.code().value(), EEXIST);
  }
  EXPECT_TRUE(exists(name));
  EXPECT_TRUE(kin::shared_memory::unlink(name));
}

}  // namespace
