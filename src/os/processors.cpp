// SPDX-License-Identifier: BSL-1.0
// processors: see the header. Formats: kernel Documentation/admin-guide/cgroup-v2.rst and scheduler/sched-bwc.rst.
#include "os/processors.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace kin::os {
namespace {

std::optional<double> smaller(std::optional<double> a, std::optional<double> b) {
  if (!a) return b;
  if (!b) return a;
  return std::min(*a, *b);
}

std::optional<double> quota_v2(const std::string& directory) {
  std::ifstream file(directory + "/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || period <= 0) return std::nullopt;
  const double granted = std::strtod(quota.c_str(), nullptr);  // 0 for "max"
  if (granted <= 0) return std::nullopt;
  return granted / period;
}

std::optional<double> quota_v1(const std::string& directory) {
  std::ifstream quota_file(directory + "/cpu.cfs_quota_us"), period_file(directory + "/cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (!(quota_file >> quota) || !(period_file >> period) || quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

// A limit of any ancestor binds. Inside a container the cgroup's own path may not be visible below the mount: then the
// mount's root is the container's cgroup.
template <class Read>
std::optional<double> smallest_up_the_tree(const std::string& mount, std::string path, Read read) {
  std::optional<double> result = read(mount);
  for (; !path.empty() && path != "/"; path.erase(path.rfind('/'))) result = smaller(result, read(mount + path));
  return result;
}

}  // namespace

int processors_in_affinity() noexcept {
  for (std::size_t size = sizeof(cpu_set_t); size <= 64 * sizeof(cpu_set_t); size *= 2) {
    cpu_set_t* set = CPU_ALLOC(size * 8);
    if (!set) break;
    const bool ok = ::sched_getaffinity(0, size, set) == 0;
    const int n = ok ? CPU_COUNT_S(size, set) : 0;
    CPU_FREE(set);
    if (ok) return std::max(n, 1);
    if (errno != EINVAL) break;
  }
  return std::max(1, static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)));
}

int processors_online() noexcept { return std::max(1, static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN))); }

int current_processor() noexcept { return ::sched_getcpu(); }

void leave_processor() noexcept {
  cpu_set_t mask, others;
  const int here = ::sched_getcpu();
  if (here < 0 || ::sched_getaffinity(0, sizeof mask, &mask) != 0) return;
  others = mask;
  CPU_CLR(static_cast<unsigned>(here), &others);
  if (CPU_COUNT(&others) == 0) return;
  ::sched_setaffinity(0, sizeof others, &others);
  ::sched_setaffinity(0, sizeof mask, &mask);
}

void bring_to_this_processor(int thread, int& last) noexcept {
  const int here = ::sched_getcpu();
  if (here < 0 || here >= CPU_SETSIZE || here == last) return;
  cpu_set_t mask;
  CPU_ZERO(&mask);
  CPU_SET(static_cast<unsigned>(here), &mask);
  if (::sched_setaffinity(thread, sizeof mask, &mask) == 0) last = here;
}

void let_others_run() noexcept { ::sched_yield(); }

std::optional<double> cgroup_cpu_quota(const std::string& root) {
  std::optional<double> result;
  std::ifstream membership(root + "/proc/self/cgroup");
  for (std::string line; std::getline(membership, line);) {
    // hierarchy-ID:controller-list:path
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    if (controllers.empty()) {
      result = smaller(result, smallest_up_the_tree(root + "/sys/fs/cgroup", path, quota_v2));
      continue;
    }
    std::stringstream list(controllers);
    for (std::string c; std::getline(list, c, ',');)
      if (c == "cpu")
        for (const char* mount : {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"})
          result = smaller(result, smallest_up_the_tree(root + mount, path, quota_v1));
  }
  return result;
}

}  // namespace kin::os
