// SPDX-License-Identifier: BSL-1.0
// init: where a program becomes a child or stays itself; whole programs, started by popen.
#include <kin/process/init.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>

#include "process/life.hpp"

using namespace kin_test;
using testing::HasSubstr;
namespace fs = std::filesystem;

namespace {

struct result {
  std::string output;
  int code;
};

result run(const std::string& command) {
  std::FILE* pipe = ::popen(command.c_str(), "re");
  if (!pipe) std::abort();
  std::string output;
  char buffer[1000];
  for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) output.append(buffer, n);
  const int status = ::pclose(pipe);
  return {output, WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status)};
}

TEST(init, makes_a_program_able_to_start_children) {
  const result r = run(KIN_TEST_OWN_MAIN);
  EXPECT_EQ(r.output, "main of MainProcess, mark left: 0\nchild: 5\n");
  EXPECT_EQ(r.code, 0);
}

TEST(init, keeps_clear_of_standard_descriptors_that_are_closed) {
  for (const std::string closed : {"<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"})
    EXPECT_EQ(run(KIN_TEST_OWN_MAIN " 'all methods' " + closed).code, 0) << closed;
}

TEST(init, keeps_the_locale_that_children_get) {
  const result r = run(KIN_TEST_OWN_MAIN " locale");
  EXPECT_EQ(r.output, "C.UTF-8\nC.UTF-8\nC.UTF-8\n");
  EXPECT_EQ(r.code, 0);
}

TEST(init, may_come_after_static_objects_are_made_that_children_share) {
  const result r = run(KIN_TEST_STATICS);
  EXPECT_EQ(r.output, "spawn: 1 item, value 8\nforkserver: 1 item, value 9\nfork: 1 item, value 10\n");
  EXPECT_EQ(r.code, 0);
}

TEST(init, that_is_missing_is_told_before_anything_is_started) {
  const result r = run(KIN_TEST_WITHOUT_INIT);
  EXPECT_THAT(r.output, HasSubstr("kin::init() has not run"));
  EXPECT_EQ(r.output.find("main\n"), 0u);
  EXPECT_EQ(r.output.find("main\n", 1), std::string::npos) << "main ran twice: " << r.output;
  EXPECT_EQ(r.output.find("\nstarted\n"), std::string::npos);
  EXPECT_EQ(r.output.find("child\n"), std::string::npos);
}

TEST(init, is_called_by_kin_main_before_a_main_that_knows_nothing_of_it) {
  const result r = run(KIN_TEST_KIN_MAIN);
  EXPECT_EQ(r.output, "main\nchild: 6\n");
}

TEST(init, ignores_a_mark_that_is_not_meant_for_this_process) {
  for (const std::string mark : {"3:1:1", "3:4711:2", "nonsense", "", "7:1:1"}) {
    const result r = run("KIN_CHILD=" + mark + " " KIN_TEST_OWN_MAIN);
    EXPECT_EQ(r.output, "main of MainProcess, mark left: 0\nchild: 5\n") << mark;
    EXPECT_EQ(r.code, 0);
  }
}

TEST(init, refuses_a_mark_of_its_real_parent_without_a_channel) {
  const result r = run("KIN_CHILD=3:$$:1 " KIN_TEST_OWN_MAIN " 2>&1; echo code $?");
  EXPECT_THAT(r.output, HasSubstr("without its channel"));
  EXPECT_THAT(r.output, HasSubstr("code 126"));
}

TEST(init, that_a_child_never_reaches_is_told_by_exit_code_126) {
  const result r = run(KIN_TEST_OWN_MAIN " 'child never reaches init'");
  EXPECT_THAT(r.output, HasSubstr("child: 126\n"));
}

TEST(init, that_a_child_dies_before_leaves_its_signal) {
  const result r = run(KIN_TEST_OWN_MAIN " 'child dies before init'");
  EXPECT_THAT(r.output, HasSubstr("child: -6\n"));
}

TEST(init, that_a_child_is_long_in_reaching_holds_nobody_up) {
  const result r = run(KIN_TEST_OWN_MAIN " 'child sleeps before init'");
  EXPECT_EQ(r.output, "child: -9, ended by itself: 0\n");
}

TEST(init, that_a_child_never_comes_to_is_an_error_where_the_start_must_wait_for_it) {
  const result r = run(KIN_TEST_STALLS);
  EXPECT_EQ(r.code, 0);
  EXPECT_EQ(r.output.find("no error"), std::string::npos);
  const auto first = r.output.find("has not come to kin::init() in time");
  ASSERT_NE(first, std::string::npos) << r.output;
  EXPECT_NE(r.output.find("the fork server was started, but has not come to kin::init() in time", first),
            std::string::npos)
      << r.output;
}

TEST(init, ends_a_recursion_of_children_that_start_children) {
  const result r = run(KIN_TEST_OWN_MAIN " dig");
  EXPECT_EQ(r.output, "depth: 16\n");
}

TEST(init, refuses_children_to_a_set_user_id_program) {
  if (::getuid() != 0) GTEST_SKIP() << "only root can make a set-user-id program of another user's";
  const fs::path folder = "/tmp/kin-set-uid-" + std::to_string(::getpid());
  fs::create_directory(folder);
  fs::permissions(folder, fs::perms(0755));
  const fs::path program = folder / "program";
  fs::copy_file(KIN_TEST_OWN_MAIN, program);
  ASSERT_EQ(::chmod(program.c_str(), 04755), 0);
  const result as_nobody = run("setpriv --reuid=65534 --regid=65534 --clear-groups " + program.string());
  const result as_root = run(program.string());
  fs::remove_all(folder);
  EXPECT_THAT(as_nobody.output, HasSubstr("refused: kin: this program runs set-user-id"));
  EXPECT_EQ(as_nobody.code, 3);
  EXPECT_THAT(as_root.output, HasSubstr("child: 5"));
}

}  // namespace
