// SPDX-License-Identifier: BSL-1.0
// leaves_nothing_behind: each kind of thing a test can leave is left here, and must be told.
#include "support/leaves_nothing_behind.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <string>
#include <thread>

namespace {

using kin_test::belongings;
using kin_test::left_behind;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(leaves_nothing_behind, is_content_when_nothing_is_left) {
  EXPECT_THAT(left_behind(belongings::now(), belongings::now()), IsEmpty());
}

TEST(leaves_nothing_behind, tells_a_descriptor_and_where_it_leads) {
  const auto before = belongings::now();
  const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_THAT(left_behind(before, belongings::now()), ElementsAre(HasSubstr("/dev/null")));
  close(fd);
}

TEST(leaves_nothing_behind, tells_a_descriptor_that_was_closed_and_not_the_tests) {
  const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const auto before = belongings::now();
  close(fd);
  EXPECT_THAT(left_behind(before, belongings::now()), ElementsAre(HasSubstr("was closed")));
}

TEST(leaves_nothing_behind, tells_a_child_that_nobody_waited_for) {
  const auto before = belongings::now();
  const int child = fork();
  if (child == 0) _exit(0);
  siginfo_t info{};
  waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
  EXPECT_THAT(left_behind(before, belongings::now()), ElementsAre(HasSubstr("zombie")));
  waitpid(child, nullptr, 0);
  EXPECT_THAT(left_behind(before, belongings::now()), IsEmpty());
}

TEST(leaves_nothing_behind, tells_a_grandchild_whose_parent_is_gone) {
  const auto before = belongings::now();
  FILE* shell = popen("sleep 60 >/dev/null 2>&1 & echo $!", "r");
  std::array<char, 32> line{};
  ASSERT_NE(fgets(line.data(), line.size(), shell), nullptr);
  const int grandchild = std::stoi(line.data());
  pclose(shell);
  auto left = left_behind(before, belongings::now());
  while (left.empty()) left = left_behind(before, belongings::now());  // in the midst of exec it carries no mark
  EXPECT_THAT(left, ElementsAre(HasSubstr(std::to_string(grandchild))));
  kill(grandchild, SIGKILL);
}

TEST(leaves_nothing_behind, tells_a_thread) {
  const auto before = belongings::now();
  std::atomic<bool> stop = false, named = false;
  std::thread thread([&] {
    pthread_setname_np(pthread_self(), "straggler");
    named = true;
    named.notify_one();
    stop.wait(false);
  });
  named.wait(false);
  EXPECT_THAT(left_behind(before, belongings::now()), ElementsAre(HasSubstr("straggler")));
  stop = true;
  stop.notify_one();
  thread.join();
}

TEST(leaves_nothing_behind, forgives_one_lasting_thread_of_a_name_and_not_two) {
  kin_test::lasting_thread("lasting");
  belongings before;
  belongings one;
  one.threads = {{1, "lasting"}};
  belongings two;
  two.threads = {{1, "lasting"}, {2, "lasting"}};
  EXPECT_THAT(left_behind(before, one), IsEmpty());
  EXPECT_THAT(left_behind(one, two), ElementsAre(HasSubstr("thread 2: lasting")));
}

TEST(leaves_nothing_behind, tells_an_entry_of_shared_memory) {
  const std::string name = "/kin_house_test_" + std::to_string(getpid());
  const auto before = belongings::now();
  close(shm_open(name.c_str(), O_CREAT | O_RDWR, 0600));
  EXPECT_THAT(left_behind(before, belongings::now()), ElementsAre(HasSubstr("/dev/shm" + name)));
  shm_unlink(name.c_str());
}

}  // namespace
