// SPDX-License-Identifier: BSL-1.0
// launch: between clone and exec the child shares our memory and our thread's stack frame's data, while this thread
// waits. So the child's code makes raw system calls only: no allocation, no locks, no exceptions, and nothing that a
// sanitizer's interceptor would book on the parent.
#include "os/launch.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <kin/os/duplicate.hpp>

#include "os/gate.hpp"
#include "os/kernel_sigaction.hpp"

#if defined(__clang__)
#define KIN_UNSANITIZED __attribute__((no_sanitize("address", "thread", "undefined")))
#else
#define KIN_UNSANITIZED __attribute__((no_sanitize("address"), no_sanitize("thread"), no_sanitize("undefined")))
#endif

// ThreadSanitizer takes every clone() for a fork and would, in the child, change its state, which here is the parent's
// too; glibc's other name for the same function is not intercepted.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KIN_THREAD_SANITIZER
#endif
#elif defined(__SANITIZE_THREAD__)
#define KIN_THREAD_SANITIZER
#endif
#ifdef KIN_THREAD_SANITIZER
extern "C" int __clone(int (*)(void*), void*, int, void*, ...) noexcept;  // NOLINT(bugprone-reserved-identifier)
#endif

namespace kin::os {
namespace {

#ifdef KIN_THREAD_SANITIZER
constexpr auto* uninstrumented_clone = &::__clone;
#else
constexpr auto* uninstrumented_clone = &::clone;
#endif

constexpr auto mask_of_all = [] {
  std::array<unsigned char, sizeof(cpu_set_t)> mask{};
  mask.fill(0xff);
  return mask;
}();
const void* const all_processors = mask_of_all.data();

struct fd_move {
  int to, from;
};
struct limit_setting {
  int resource;
  rlimit value;
  bool is_asked_for;
};

// Everything the child needs, prepared by the parent. `failed_step` and `error` are the child's answer.
struct child_plan {
  const char* executable;
  char* const* arguments;
  char* const* environment;
  const char* working_directory;
  int directory_fd;
  int null_fd;
  const fd_move* moves;
  std::size_t move_count;
  int first_fd_to_close;
  const limit_setting* limits;
  std::size_t limit_count;
  const void* affinity;
  std::size_t affinity_size;
  bool affinity_is_asked_for;
  unsigned umask;
  bool own_process_group;
  int parent;
  const char* volatile failed_step;
  volatile int error;
};

KIN_UNSANITIZED bool fail(child_plan* plan, const char* step) {
  plan->failed_step = step;
  plan->error = errno;
  return false;
}

KIN_UNSANITIZED bool arrange_process(child_plan* plan) {
  // Ignored signals stay ignored over exec; handlers are reset by it. 32 and 33 are glibc's own.
  kernel_sigaction default_action{};
  for (int s = 1; s < 65; ++s)
    if (s != SIGKILL && s != SIGSTOP) ::syscall(SYS_rt_sigaction, s, &default_action, nullptr, 8);
  if (plan->own_process_group) ::syscall(SYS_setpgid, 0, 0);
  if (::syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return fail(plan, "prctl(PR_SET_PDEATHSIG)");
  // The parent may have died before the line above: then no signal will come.
  if (::syscall(SYS_getppid) != plan->parent) ::syscall(SYS_exit_group, 127);
  if (plan->directory_fd >= 0 && ::syscall(SYS_fchdir, plan->directory_fd) != 0) return fail(plan, "fchdir");
  if (plan->working_directory && ::syscall(SYS_chdir, plan->working_directory) != 0) return fail(plan, "chdir");
  ::syscall(SYS_umask, plan->umask);
  if (plan->affinity_size > 0 && ::syscall(SYS_sched_setaffinity, 0, plan->affinity_size, plan->affinity) < 0) {
    if (plan->affinity_is_asked_for) return fail(plan, "sched_setaffinity");
    // What was so at init() may have been forbidden since (a cgroup's cpuset): then all that is allowed.
    ::syscall(SYS_sched_setaffinity, 0, sizeof mask_of_all, all_processors);
  }
  return true;
}

KIN_UNSANITIZED bool set_limit(const limit_setting& limit) {
  if (::syscall(SYS_prlimit64, 0, limit.resource, &limit.value, nullptr) == 0) return true;
  if (errno != EPERM || limit.is_asked_for) return false;
  // The hard limit has been lowered since init(), and only root could raise it again: then as near as it goes.
  rlimit present{};
  if (::syscall(SYS_prlimit64, 0, limit.resource, nullptr, &present) != 0) return false;
  if (present.rlim_max > limit.value.rlim_max) present.rlim_max = limit.value.rlim_max;
  present.rlim_cur = limit.value.rlim_cur < present.rlim_max ? limit.value.rlim_cur : present.rlim_max;
  return ::syscall(SYS_prlimit64, 0, limit.resource, &present, nullptr) == 0;
}

KIN_UNSANITIZED bool arrange_descriptors(child_plan* plan) {
  if (::syscall(SYS_dup3, plan->null_fd, 0, 0) < 0) return fail(plan, "dup3");
  for (std::size_t i = 0; i < plan->move_count; ++i)
    if (::syscall(SYS_dup3, plan->moves[i].from, plan->moves[i].to, 0) < 0) return fail(plan, "dup3");
  if (::syscall(SYS_close_range, plan->first_fd_to_close, ~0u, 0) != 0) return fail(plan, "close_range");
  // Last of all, because a lower RLIMIT_NOFILE would forbid the dup3 calls above.
  for (std::size_t i = 0; i < plan->limit_count; ++i)
    if (!set_limit(plan->limits[i])) return fail(plan, "setrlimit");
  return true;
}

KIN_UNSANITIZED int child_main(void* argument) {
  auto* plan = static_cast<child_plan*>(argument);
  if (arrange_process(plan) && arrange_descriptors(plan)) {
    const unsigned long no_signals = 0;
    ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, nullptr, 8);
    ::syscall(SYS_execve, plan->executable, plan->arguments, plan->environment);
    fail(plan, "execve");
  }
  ::syscall(SYS_exit_group, 127);
  return 127;
}

// exec of /proc/self/exe under valgrind would start valgrind's own tool; its readlink answers for the guest.
std::string own_executable() {
  const char* preload = std::getenv("LD_PRELOAD");
  if (!preload || !std::strstr(preload, "vgpreload")) return "/proc/self/exe";
  char path[4096];
  const ssize_t n = ::readlink("/proc/self/exe", path, sizeof path);
  return n > 0 ? std::string(path, static_cast<std::size_t>(n)) : "/proc/self/exe";
}

std::vector<char*> pointers_to(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const auto& s : strings) pointers.push_back(const_cast<char*>(s.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::byte> mask_of(const std::vector<int>& processors) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int p : processors) {
    if (p < 0 || p >= CPU_SETSIZE) throw os_error("use processor " + std::to_string(p), "sched_setaffinity", EINVAL);
    CPU_SET(static_cast<unsigned>(p), &set);
  }
  const auto* bytes = reinterpret_cast<const std::byte*>(&set);
  return {bytes, bytes + sizeof set};
}

constexpr std::size_t stack_size = 64 * 1024;

std::vector<limit_setting> all_limits(const launch_request& request) {
  std::vector<limit_setting> limits;
  for (std::size_t i = 0; i < request.inherited->limits.size(); ++i)
    limits.push_back({static_cast<int>(i), request.inherited->limits[i], false});
  for (const auto& [resource, value] : request.limits)
    for (auto& setting : limits)
      if (setting.resource == resource) setting = {resource, value, true};
  // Limits that are as inherited already cost no system call and cannot fail.
  std::erase_if(limits, [](const limit_setting& s) {
    rlimit present{};
    return ::getrlimit(static_cast<__rlimit_resource>(s.resource), &present) == 0 &&
           present.rlim_cur == s.value.rlim_cur && present.rlim_max == s.value.rlim_max;
  });
  return limits;
}

}  // namespace

bool may_execute(const std::string& path) noexcept { return ::access(path.c_str(), X_OK) == 0; }

// With a guard page, so that an overflow is a fault, not a riddle.
launcher::launcher()
    : stack_(::mmap(nullptr, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {
  if (stack_ == MAP_FAILED) throw os_error("start a process", "mmap", errno);
  ::mprotect(stack_, 4096, PROT_NONE);
}

launcher::~launcher() { ::munmap(stack_, stack_size); }

launched launcher::launch(const launch_request& request) {
  const std::string executable = request.executable.empty() ? own_executable() : request.executable;
  const auto arguments = pointers_to(request.arguments);
  const auto environment = pointers_to(request.environment);
  const unique_fd null(call("open", "open /dev/null", [] { return ::open("/dev/null", O_RDWR | O_CLOEXEC); }));

  // Sources are moved out of the way of the targets first, or one dup3 would overwrite the source of the next.
  int highest = 2;
  for (const auto& [to, from] : request.descriptors) highest = std::max(highest, to);
  std::vector<unique_fd> sources;
  std::vector<fd_move> moves;
  moves.reserve(request.descriptors.size());
  const auto out_of_the_way = [&](int fd) {
    sources.emplace_back(call("fcntl(F_DUPFD_CLOEXEC)", "prepare a child's file descriptors",
                              [&] { return ::fcntl(fd, F_DUPFD_CLOEXEC, highest + 1); }));
    return sources.back().get();
  };
  for (const auto& [to, from] : request.descriptors) moves.push_back({to, out_of_the_way(from)});
  const int null_source = out_of_the_way(null.get());

  const auto affinity = request.affinity.empty() ? request.inherited->affinity : mask_of(request.affinity);
  const auto limits = all_limits(request);
  child_plan plan{};
  plan.executable = executable.c_str();
  plan.arguments = arguments.data();
  plan.environment = environment.data();
  plan.working_directory = request.working_directory.empty() ? nullptr : request.working_directory.c_str();
  plan.directory_fd = request.inherited->directory.get();
  plan.null_fd = null_source;
  plan.moves = moves.data();
  plan.move_count = moves.size();
  plan.first_fd_to_close = highest + 1;
  plan.limits = limits.data();
  plan.limit_count = limits.size();
  plan.affinity = affinity.data();
  plan.affinity_size = affinity.size();
  plan.affinity_is_asked_for = !request.affinity.empty();
  plan.umask = request.inherited->umask;
  plan.own_process_group = request.own_process_group;
  plan.parent = ::getpid();

  // No handler of the parent may run in the child while it still shares our memory.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  int pidfd = -1;
  const int pid = try_call("clone", [&] {
    return uninstrumented_clone(&child_main, static_cast<char*>(stack_) + stack_size,
                                CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &plan, &pidfd);
  });
  const int clone_error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) throw os_error("start a process", "clone", clone_error);

  launched child{pid, unique_fd(pidfd)};
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  child.booked_memory = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
  if (plan.failed_step) {
    // The child has called _exit: take its status, so that no zombie stays.
    siginfo_t info{};
    try_call("waitid", [&] { return ::syscall(SYS_waitid, 3 /* P_PIDFD */, pidfd, &info, WEXITED, nullptr); });
    std::string doing = "start a process (" + executable + ")";
    if (std::strcmp(plan.failed_step, "chdir") == 0) doing = "enter the directory " + request.working_directory;
    throw os_error(doing, plan.failed_step, plan.error);
  }
  try {
    child.pidfd = above_standard(std::move(child.pidfd));
  } catch (...) {
    ::kill(pid, SIGKILL);
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    throw;
  }
  return child;
}

}  // namespace kin::os
