// SPDX-License-Identifier: BSL-1.0
// watchdog: sleeps on the test program's pidfd until it ends or a test's time is over.
#include "support/watchdog.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

namespace kin_test {
namespace {

using clock = std::chrono::steady_clock;
constexpr std::int64_t no_deadline = std::numeric_limits<std::int64_t>::max();

std::int64_t now() { return clock::now().time_since_epoch() / std::chrono::nanoseconds(1); }

std::int64_t allowed_seconds() {
  const char* text = std::getenv("KIN_TEST_WATCHDOG");
  return text ? std::atoll(text) : 120;
}

void cat(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) std::fprintf(stderr, "    %s\n", line.c_str());
}

/// The process and all its descendants, parents first.
std::vector<int> family_of(int root) {
  std::vector<int> family{root};
  for (std::size_t i = 0; i < family.size(); ++i) {
    std::error_code error;
    const std::string tasks = "/proc/" + std::to_string(family[i]) + "/task";
    for (const auto& task : std::filesystem::directory_iterator(tasks, error)) {
      std::ifstream children(task.path() / "children");
      for (int pid; children >> pid;) family.push_back(pid);
    }
  }
  return family;
}

bool print_with_gdb(int pid) {
  const std::string target = std::to_string(pid);
  const int gdb = fork();
  if (gdb == 0) {
    dup2(STDERR_FILENO, STDOUT_FILENO);
    execlp("gdb", "gdb", "-nx", "-q", "-batch", "-p", target.c_str(), "-ex", "set pagination off", "-ex",
           "thread apply all backtrace 40", static_cast<char*>(nullptr));
    _exit(127);
  }
  int status = 0;
  for (int tenths = 0; waitpid(gdb, &status, WNOHANG) == 0; ++tenths) {
    if (tenths == 600) kill(gdb, SIGKILL);
    usleep(100'000);
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void print_without_gdb(int pid) {
  std::error_code error;
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks, error)) {
    std::fprintf(stderr, "  thread %s (name, waits in, system call, kernel stack)\n", task.path().filename().c_str());
    for (const char* file : {"comm", "wchan", "syscall", "stack"}) cat(task.path() / file);
  }
}

void print_everything(int root, const char* test) {
  std::fprintf(stderr, "\nwatchdog: %s has run too long. All stacks:\n", test);
  for (int pid : family_of(root)) {
    std::fprintf(stderr, "\nwatchdog: process %d\n", pid);
    cat("/proc/" + std::to_string(pid) + "/comm");
    if (!print_with_gdb(pid)) print_without_gdb(pid);
  }
}

/// The watchdog's life. The page is shared, everything else a copy.
[[noreturn]] void watch(const watchdog::page& page, int program, int pidfd) {
  for (;;) {
    const std::int64_t deadline = page.deadline.load();
    const std::int64_t left = deadline == no_deadline ? 1000 : (deadline - now()) / 1'000'000 + 1;
    if (left <= 0) break;
    pollfd end{.fd = pidfd, .events = POLLIN, .revents = 0};
    if (poll(&end, 1, static_cast<int>(std::min<std::int64_t>(left, 1000))) > 0) _exit(0);
  }
  print_everything(program, page.test);
  const auto family = family_of(program);
  syscall(SYS_pidfd_send_signal, pidfd, SIGABRT, nullptr, 0);
  for (int pid : family) {
    if (pid != program) kill(pid, SIGKILL);  // or they would hold the test's output open
  }
  pollfd end{.fd = pidfd, .events = POLLIN, .revents = 0};
  if (poll(&end, 1, 10'000) == 0) syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
  _exit(0);
}

/// In the forked process: keep stderr and the pidfd, belong to nobody.
[[noreturn]] void become_watchdog(const watchdog::page& page, int program) {
  if (fork() != 0) _exit(0);
  setsid();
  prctl(PR_SET_NAME, "kin-watchdog");
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, program, 0));
  if (pidfd < 0) _exit(0);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(null, STDIN_FILENO);
  dup2(null, STDOUT_FILENO);
  syscall(SYS_close_range, 3u, static_cast<unsigned>(pidfd) - 1, 0u);
  syscall(SYS_close_range, static_cast<unsigned>(pidfd) + 1, ~0u, 0u);
  watch(page, program, pidfd);
}

}  // namespace

void watchdog::OnTestProgramStart(const testing::UnitTest&) {
  if (allowed_seconds() <= 0) return;
  void* memory = mmap(nullptr, sizeof(page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;
  page_ = new (memory) page{};
  page_->deadline = no_deadline;
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);  // where Yama lets only ancestors look
  const int program = getpid();
  const int child = fork();
  if (child == 0) become_watchdog(*page_, program);
  waitpid(child, nullptr, 0);
  madvise(memory, sizeof(page), MADV_DONTFORK);  // from here on: what copies write to shared memory is not for it
}

void watchdog::OnTestStart(const testing::TestInfo& test) {
  if (!page_) return;
  std::snprintf(page_->test, sizeof page_->test, "%s.%s", test.test_suite_name(), test.name());
  page_->deadline = now() + allowed_seconds() * 1'000'000'000;
}

void watchdog::OnTestEnd(const testing::TestInfo&) {
  if (page_) page_->deadline = no_deadline;
}

}  // namespace kin_test
