// SPDX-License-Identifier: BSL-1.0
// cpu_count: affinity, the quota of cgroups of both versions, and what overrides them.
#include <kin/process/process_view.hpp>

#include <sched.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <kin/pool.hpp>

#include "os/processors.hpp"
#include "process/life.hpp"

namespace {

using namespace kin_test;

/// A machine's /proc and /sys/fs/cgroup, as far as quotas go.
class made_up_machine {
 public:
  void file(const std::string& path, const std::string& text) {
    const auto whole = std::filesystem::path(folder_.path.string() + path);
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text;
  }
  [[nodiscard]] std::optional<double> quota() const { return kin::os::cgroup_cpu_quota(folder_.path); }

 private:
  temporary_folder folder_;
};

TEST(cpu_quota, is_none_where_there_is_no_cgroup) { EXPECT_EQ(made_up_machine().quota(), std::nullopt); }

TEST(cpu_quota, of_version_2_is_the_smallest_up_the_tree) {
  made_up_machine m;
  m.file("/proc/self/cgroup", "0::/slice/service\n");
  m.file("/sys/fs/cgroup/slice/service/cpu.max", "max 100000\n");
  EXPECT_EQ(m.quota(), std::nullopt);
  m.file("/sys/fs/cgroup/slice/service/cpu.max", "300000 100000\n");
  EXPECT_EQ(m.quota(), 3.0);
  m.file("/sys/fs/cgroup/slice/cpu.max", "150000 100000\n");
  EXPECT_EQ(m.quota(), 1.5);
  m.file("/sys/fs/cgroup/slice/service/cpu.max", "50000 100000\n");
  EXPECT_EQ(m.quota(), 0.5);
}

TEST(cpu_quota, of_a_container_is_at_the_root_of_what_it_sees) {
  made_up_machine m;
  m.file("/proc/self/cgroup", "0::/kubepods/pod1/c2\n");  // a path of the host's, which does not exist here
  m.file("/sys/fs/cgroup/cpu.max", "200000 100000\n");
  EXPECT_EQ(m.quota(), 2.0);
}

TEST(cpu_quota, of_version_1_is_its_cpu_controllers) {
  made_up_machine m;
  m.file("/proc/self/cgroup", "5:memory:/m\n3:cpu,cpuacct:/job\n1:name=systemd:/s\n");
  m.file("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "-1\n");
  m.file("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(m.quota(), std::nullopt);
  m.file("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "250000\n");
  EXPECT_EQ(m.quota(), 2.5);
  m.file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");
  m.file("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(m.quota(), 1.0);
}

TEST(cpu_quota, that_makes_no_sense_is_none) {
  made_up_machine m;
  m.file("/proc/self/cgroup", "0::/a\nnonsense\n3:cpu\n");
  for (const char* text : {"", "lots 100000", "100000", "100000 0", "-5 100000", "nan nan"}) {
    m.file("/sys/fs/cgroup/a/cpu.max", text);
    EXPECT_EQ(m.quota(), std::nullopt) << text;
  }
}

// --- of a process ----------------------------------------------------------------------------------------------------

std::vector<int> allowed_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  ::sched_getaffinity(0, sizeof set, &set);
  std::vector<int> all;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) all.push_back(cpu);
  return all;
}
void leave_with_count() { std::exit(static_cast<int>(kin::cpu_count())); }
void leave_with_size() { std::exit(static_cast<int>(kin::pool().size())); }

class cpu_count : public every_start {};
INSTANTIATE_TEST_SUITE_P(by, cpu_count, start_methods, start_name);

TEST_P(cpu_count, is_at_most_the_affinity_of_the_process) {
  const auto all = allowed_processors();
  EXPECT_LE(kin::cpu_count(), all.size());
  for (const std::size_t n : {std::size_t{1}, all.size()}) {
    kin::process child(with({.affinity = {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(n)}}),
                       leave_with_count);
    child.join();
    EXPECT_GE(child.exitcode(), 1);
    EXPECT_LE(child.exitcode(), static_cast<int>(n));
  }
  // It is asked each time: a process may change its own.
  kin::process child(with(), [] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<unsigned>(allowed_processors().front()), &one);
    ::sched_setaffinity(0, sizeof one, &one);
    std::exit(static_cast<int>(kin::cpu_count()));
  });
  child.join();
  EXPECT_EQ(child.exitcode(), 1);
}

TEST_P(cpu_count, is_what_the_environment_says_if_that_is_a_number) {
  for (const auto& [text, expected] : {std::pair("7", 7), std::pair("1", 1)}) {
    kin::process child(with({.environment = {{"KIN_CPU_COUNT", text}}}), leave_with_count);
    child.join();
    EXPECT_EQ(child.exitcode(), expected);
  }
  for (const char* text : {"", "0", "-3", "2x", "many", "99999999999999999999"}) {
    kin::process child(with({.environment = {{"KIN_CPU_COUNT", text}}}), leave_with_count);
    child.join();
    EXPECT_EQ(child.exitcode(), static_cast<int>(kin::cpu_count())) << text;
  }
}

TEST_P(cpu_count, is_the_size_of_a_pool_that_is_told_none) {
  kin::process child(with({.environment = {{"KIN_CPU_COUNT", "5"}}}), leave_with_size);
  child.join();
  EXPECT_EQ(child.exitcode(), 5);
}

}  // namespace
