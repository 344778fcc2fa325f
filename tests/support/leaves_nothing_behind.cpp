// SPDX-License-Identifier: BSL-1.0
// leaves_nothing_behind: reads /proc before and after each test and tells the difference.
//
// Processes are found in two ways: the children that the kernel lists, and everyone whose environment carries this
// program's mark, which a child hands on. So a grandchild is found too, after its parent's death made it init's.
#include "support/leaves_nothing_behind.hpp"

#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <thread>

#include "process/fork_server.hpp"

namespace kin_test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// Threads of kin's that serve the whole process and end with it. Each entry needs a sentence here:
//   kin-spawner    does all starts, because PR_SET_PDEATHSIG counts from the end of the starting *thread*
//   kin-supervisor watches the members of the family, to mark their deaths in shared memory
//   kin-callbacks  runs then() and on_error() callbacks and resumes coroutines
std::set<std::string>& lasting_threads() {
  static std::set<std::string> names{"kin-spawner", "kin-supervisor", "kin-callbacks"};
  return names;
}

std::vector<std::function<void()>>& warm_ups() {
  static std::vector<std::function<void()>> all;
  return all;
}

std::optional<std::string>& excuse() {
  static std::optional<std::string> reason;
  return reason;
}

constexpr const char* mark_name = "KIN_TEST_FAMILY";

// Before main, so that it is part of the environment that kin::init() finds and gives to children. A child that was
// started with a mark keeps it.
const bool marked = [] { return setenv(mark_name, std::to_string(getpid()).c_str(), 0) == 0; }();

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  try {
    return {std::istreambuf_iterator<char>(file), {}};
  } catch (const std::ios_base::failure&) {
    return {};  // a process that ends while its file is read
  }
}

std::string first_line(const fs::path& path) {
  std::string text = contents(path);
  return text.substr(0, text.find('\n'));
}

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

bool carries_mark(const std::string& pid, const std::string& mark) {
  const std::string environment = contents(fs::path("/proc") / pid / "environ");
  return environment.compare(0, mark.size(), mark) == 0 || environment.find('\0' + mark) != std::string::npos;
}

// The fork server of this very process and its spares serve until it ends; anybody else's is left behind. The spares
// come and go; one that has just been forked is called as the server is.
bool is_fork_server(int pid) {
  const int server = kin::detail::fork_server::current_pid();
  if (pid == server) return true;
  const fs::path proc = "/proc/" + std::to_string(pid);
  const std::string stat = contents(proc / "stat");
  const auto close = stat.rfind(')');
  const std::string name = first_line(proc / "comm");
  return close != std::string::npos &&
         stat.compare(close + 4, std::to_string(server).size() + 1, std::to_string(server) + " ") == 0 &&
         (name == "kin-spare" || name == "kin-forkserver");
}

// The process that removes this very process's names of shared memory serves until it ends, too.
bool is_name_tracker(int pid) {
  return carries_mark(std::to_string(pid), "KIN_CHILD=3:" + std::to_string(getpid()) + ":-1" + '\0');
}

/// The names in a folder that may change while it is read.
std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    names.push_back(entry->path().filename());
  }
  return names;
}

/// "Z worker: ./kin_pool_tests", or nothing when the process is gone.
std::optional<std::string> describe(int pid) {
  const fs::path proc = "/proc/" + std::to_string(pid);
  const std::string stat = contents(proc / "stat");
  const auto open = stat.find('('), close = stat.rfind(')');
  if (close == std::string::npos || close + 2 >= stat.size()) return std::nullopt;
  std::string command = contents(proc / "cmdline");
  for (char& c : command) {
    if (c == '\0') c = ' ';
  }
  const char state = stat[close + 2];
  return std::string(state == 'Z' ? "zombie " : "") + stat.substr(open, close - open + 1) + " " + command;
}

std::map<int, std::string> processes_now() {
  std::set<int> pids;
  for (const std::string& thread : names_in("/proc/self/task")) {
    std::istringstream children(contents(fs::path("/proc/self/task") / thread / "children"));
    for (int pid; children >> pid;) pids.insert(pid);
  }
  const std::string mark = std::string(mark_name) + '=' + std::to_string(getpid()) + '\0';
  for (const std::string& name : names_in("/proc")) {
    if (is_number(name) && carries_mark(name, mark)) pids.insert(std::stoi(name));
  }
  pids.erase(getpid());
  std::map<int, std::string> processes;
  for (int pid : pids) {
    if (is_fork_server(pid) || is_name_tracker(pid)) continue;
    if (auto description = describe(pid)) processes.emplace(pid, *description);
  }
  return processes;
}

std::map<int, std::string> descriptors_now() {
  std::map<int, std::string> descriptors;
  for (const std::string& name : names_in("/proc/self/fd")) {
    std::error_code error;
    std::string target = fs::read_symlink(fs::path("/proc/self/fd") / name, error);
    // Somebody may remove it meanwhile, as a second ctest does with the first one's log.
    if (constexpr std::string_view removed = " (deleted)"; target.ends_with(removed))
      target.resize(target.size() - removed.size());
    if (!error) descriptors.emplace(std::stoi(name), target);  // else it was the one that read the folder
  }
  return descriptors;
}

/// Whether a process outside this family has the entry open or mapped: another test beside this one made it.
bool is_somebody_elses(const std::string& entry, const belongings& ours) {
  const std::string path = "/dev/shm/" + entry;
  for (const std::string& name : names_in("/proc")) {
    if (!is_number(name) || std::stoi(name) == getpid() || ours.processes.contains(std::stoi(name))) continue;
    if (contents(fs::path("/proc") / name / "maps").find(path) != std::string::npos) return true;
    for (const std::string& fd : names_in(fs::path("/proc") / name / "fd")) {
      std::error_code error;
      if (fs::read_symlink(fs::path("/proc") / name / "fd" / fd, error) == path) return true;
    }
  }
  return false;
}

bool is_lasting(const std::string& thread, const belongings& before) {
  if (!lasting_threads().contains(thread)) return false;
  for (const auto& [tid, name] : before.threads) {
    if (name == thread) return false;  // a second one of the same name is a leak
  }
  return true;
}

// A second is what kin promises for the orphans of a killed process, where the machine is idle.
constexpr std::chrono::seconds patience{8};

// Of a process that has ended: whoever watches it is about to let go of it.
bool holds_a_process_that_ended() {
  for (const auto& [fd, target] : descriptors_now()) {
    pollfd ended{fd, POLLIN, 0};
    if (target == "anon_inode:[pidfd]" && poll(&ended, 1, 0) == 1) return true;
  }
  return false;
}

}  // namespace

belongings belongings::now() {
  belongings now;
  now.processes = processes_now();
  now.descriptors = descriptors_now();
  for (const std::string& tid : names_in("/proc/self/task")) {
    std::string name = first_line(fs::path("/proc/self/task") / tid / "comm");
    if (!name.empty()) now.threads.emplace(std::stoi(tid), name);
  }
  for (std::string& entry : names_in("/dev/shm")) now.shared_memory.insert(std::move(entry));
  return now;
}

std::vector<std::string> left_behind(const belongings& before, const belongings& after) {
  std::vector<std::string> lines;
  for (const auto& [pid, what] : after.processes) {
    if (!before.processes.contains(pid)) lines.push_back("process " + std::to_string(pid) + ": " + what);
  }
  for (const auto& [tid, name] : after.threads) {
    if (!before.threads.contains(tid) && !is_lasting(name, before)) {
      lines.push_back("thread " + std::to_string(tid) + ": " + name);
    }
  }
  for (const auto& [fd, target] : after.descriptors) {
    const auto old = before.descriptors.find(fd);
    const std::string number = "descriptor " + std::to_string(fd) + ": ";
    if (old == before.descriptors.end()) lines.push_back(number + target);
    if (old != before.descriptors.end() && old->second != target) {
      lines.push_back(number + target + ", was " + old->second);
    }
  }
  for (const auto& [fd, target] : before.descriptors) {
    if (!after.descriptors.contains(fd)) {
      lines.push_back("descriptor " + std::to_string(fd) + " was closed and was not the test's: " + target);
    }
  }
  for (const std::string& entry : after.shared_memory) {
    if (!before.shared_memory.contains(entry) && !is_somebody_elses(entry, after)) {
      lines.push_back("shared memory: /dev/shm/" + entry);
    }
  }
  return lines;
}

bool warm_up(std::function<void()> start) {
  warm_ups().push_back(std::move(start));
  return true;
}

bool lasting_thread(std::string name) { return lasting_threads().insert(std::move(name)).second; }

void leave_this_one_alone(const std::string& reason) { excuse() = reason; }

void leaves_nothing_behind::OnEnvironmentsSetUpEnd(const testing::UnitTest&) {
  std::thread([] {}).join();  // with the first thread ThreadSanitizer starts one of its own
  for (const auto& start : warm_ups()) start();
  // What they started and waited for is watched by the supervisor of the family, too, which hears of its end by itself.
  const auto end = std::chrono::steady_clock::now() + patience;
  while (holds_a_process_that_ended() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(5ms);
}

void leaves_nothing_behind::OnTestStart(const testing::TestInfo&) {
  excuse().reset();
  before_ = belongings::now();
}

void leaves_nothing_behind::OnTestEnd(const testing::TestInfo&) {
  if (excuse()) return;
  // The kernel takes a moment to remove what has ended (a joined thread's entry, the orphans of a killed child).
  std::vector<std::string> left;
  const auto end = std::chrono::steady_clock::now() + patience;
  do {
    left = left_behind(before_, belongings::now());
    if (left.empty()) return;
    std::this_thread::sleep_for(5ms);
  } while (std::chrono::steady_clock::now() < end);
  std::string text;
  for (const std::string& line : left) text += "\n  " + line;
  ADD_FAILURE() << "the test left behind:" << text;
}

}  // namespace kin_test
