// SPDX-License-Identifier: BSL-1.0
// worker_program: kin in a plugin of a program that knows nothing of it; whole programs, started by popen.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include <kin/process/init.hpp>

#include "process/life.hpp"

using namespace kin_test;
using testing::HasSubstr;
namespace fs = std::filesystem;

namespace {

const std::string plugin = KIN_TEST_PLUGIN_OF_A_HOST;
const std::string worker = KIN_TEST_WORKER;

/// What the host prints, and "code n" unless that is 0.
std::string host(const std::string& scene, const std::string& argument = worker, const std::string& module = plugin,
                 const std::string& more = "") {
  const std::string command =
      KIN_TEST_PLUGIN_HOST " '" + module + "' " + scene + " '" + argument + "' " + more + " 2>&1";
  std::FILE* pipe = ::popen(command.c_str(), "re");
  if (!pipe) std::abort();
  std::string output;
  char buffer[1000];
  for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) output.append(buffer, n);
  const int status = ::pclose(pipe);
  return status == 0 ? output : output + "code " + std::to_string(status);
}

TEST(worker_program, runs_a_plugins_processes_by_all_start_methods) {
  EXPECT_EQ(host("processes"),
            "host\nmaker 0, maker 1, code 0\nmaker 0, maker 1, code 0\nmaker 0, maker 1, code 0\nend\n");
}

TEST(worker_program, runs_a_plugins_pools) {
  EXPECT_EQ(host("pools"), "host\n49 9\nover the edge\n49 9\nover the edge\nend\n");
}

TEST(worker_program, runs_the_tasks_of_two_plugins_that_have_some_of_one_type) {
  ::setenv("KIN_TEST_SECOND_PLUGIN", KIN_TEST_SECOND_PLUGIN, 1);
  const std::string said = host("pools", worker, KIN_TEST_FIRST_PLUGIN);
  ::unsetenv("KIN_TEST_SECOND_PLUGIN");
  EXPECT_EQ(said, "host\n49 9\nover the edge\n49 9\nover the edge\n49 9\nover the edge\n49 9\nover the edge\nend\n");
}

TEST(worker_program, is_what_its_children_start_theirs_by) { EXPECT_EQ(host("nested"), "host\n3\nend\n"); }

TEST(worker_program, removes_a_plugins_names_of_shared_memory_when_its_host_is_killed) {
  const std::string name = "kin-test-" + std::to_string(::getpid()) + "-plugin";
  ::setenv("KIN_TEST_NAME", name.c_str(), 1);
  EXPECT_THAT(host("killed"), testing::StartsWith("host\n1\n"));
  ::unsetenv("KIN_TEST_NAME");
  for (int i = 0; i < 20'000 && fs::exists("/dev/shm/" + name); ++i) ::usleep(1000);
  EXPECT_FALSE(fs::exists("/dev/shm/" + name));
}

TEST(worker_program, that_nobody_has_named_is_asked_for) {
  EXPECT_THAT(host("without"), testing::AllOf(HasSubstr("start_error: kin: kin::init() has not run"),
                                              HasSubstr("kin::set_executable()"), HasSubstr("\nend\n")));
}

TEST(worker_program, that_does_not_exist_or_is_no_program_is_told_at_once) {
  const temporary_folder folder;
  EXPECT_THAT(host("start", "/nowhere/kin-worker"),
              HasSubstr("start_error: kin: set_executable: /nowhere/kin-worker: No such file or directory"));
  EXPECT_THAT(host("start", folder.path.string()), HasSubstr("is no program that this process may run"));
  std::ofstream(folder.path / "text") << "text";
  EXPECT_THAT(host("start", folder.path / "text"), HasSubstr("is no program that this process may run"));
}

TEST(worker_program, that_is_not_kin_worker_is_told_when_it_has_ended) {
  EXPECT_THAT(host("start", "/bin/true"),
              HasSubstr("true did not become a child (exit code 126): is it kin-worker? Its stderr may say more"));
  EXPECT_THAT(host("serve", "/bin/false"), HasSubstr("start_error: kin: the fork server did not begin: exit code 1"));
}

TEST(worker_program, that_a_plugin_beside_it_asks_for_is_found_without_a_path) {
  const temporary_folder folder;
  fs::create_directories(folder.path / "bin");
  fs::create_directories(folder.path / "lib/plugins");
  const fs::path module = folder.path / "lib/plugins/plugin.so";
  fs::copy_file(plugin, module);
  EXPECT_THAT(host("start", "", module), HasSubstr("there is no kin-worker beside " + module.string()));
  fs::copy_file(worker, folder.path / "bin/kin-worker");
  EXPECT_EQ(host("start", "", module), "host\nstarted\nend\n");
}

TEST(worker_program, is_not_started_for_a_plugin_whose_file_is_gone_or_another) {
  const temporary_folder folder;
  const std::string module = folder.path / "plugin.so", moved = folder.path / "moved.so";
  fs::copy_file(plugin, module);
  EXPECT_THAT(
      host("start", worker, module, moved),
      HasSubstr("start_error: kin: " + module + ", which holds kin, was removed while the program was running"));
  fs::rename(moved, module);
  std::ofstream(moved) << "not a module";
  EXPECT_THAT(host("start", worker, module, moved), HasSubstr("which holds kin, was removed"));
}

TEST(worker_program, cannot_run_what_only_the_host_program_has) {
  EXPECT_THAT(host("hosts"), HasSubstr("kin-worker, which cannot run what lives in the program itself"));
}

TEST(worker_program, does_nothing_when_somebody_starts_it_by_hand) {
  std::FILE* pipe = ::popen(("'" + worker + "' 2>&1").c_str(), "re");
  ASSERT_NE(pipe, nullptr);
  char text[200]{};
  EXPECT_NE(std::fgets(text, sizeof text, pipe), nullptr);
  EXPECT_THAT(text, HasSubstr("kin-worker: kin starts this program for kin::set_executable()"));
  EXPECT_EQ(WEXITSTATUS(::pclose(pipe)), 2);
}

TEST(worker_program, is_only_looked_at_where_init_has_run) {
  EXPECT_THROW(kin::set_executable("/nowhere/kin-worker"), kin::start_error);
  kin::set_executable(worker);
  kin::process child([] {});  // lives in this program, and is started all the same
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}

}  // namespace
