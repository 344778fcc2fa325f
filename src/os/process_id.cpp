// SPDX-License-Identifier: BSL-1.0
// process_id: see the header.
#include "os/process_id.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>

namespace kin::os {
namespace {

// A page that the kernel gives to a copy of this process zeroed, whatever made the copy: so it may hold what is this
// process's alone. Null where that cannot be had.
std::atomic<int>* page_of_this_process() noexcept {
  constexpr std::size_t size = 4096;
  void* const page = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  if (::madvise(page, size, MADV_WIPEONFORK) != 0) {
    ::munmap(page, size);
    return nullptr;
  }
  return static_cast<std::atomic<int>*>(page);
}

}  // namespace

int own_pid() noexcept {
  static std::atomic<int>* const known = page_of_this_process();
  if (known == nullptr) return ::getpid();
  int pid = known->load(std::memory_order_relaxed);
  if (pid == 0) known->store(pid = ::getpid(), std::memory_order_relaxed);
  return pid;
}
int parent_pid() noexcept { return ::getppid(); }
int own_thread_id() noexcept { return static_cast<int>(::syscall(SYS_gettid)); }

bool signal_group(int leader, int signal) noexcept { return ::kill(-leader, signal) == 0; }

bool leads_process_group(int pid) noexcept { return ::getpgid(pid) == pid; }

void lead_process_group() noexcept { ::setpgid(0, 0); }

std::array<unsigned, 4> own_credentials() noexcept { return {::getuid(), ::geteuid(), ::getgid(), ::getegid()}; }

bool leaves_ended_children() noexcept {
  struct sigaction present {};
  return ::sigaction(SIGCHLD, nullptr, &present) == 0 && present.sa_handler == SIG_DFL &&
         (present.sa_flags & SA_NOCLDWAIT) == 0;
}

void kill_by_pid(int pid) noexcept {
  ::kill(pid, SIGKILL);
  reap_by_pid(pid);
}

void reap_by_pid(int pid) noexcept {
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace kin::os
