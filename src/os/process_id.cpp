// SPDX-License-Identifier: BSL-1.0
// process_id: see the header.
#include "os/process_id.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace kin::os {

int own_pid() noexcept { return ::getpid(); }
int parent_pid() noexcept { return ::getppid(); }

bool signal_group(int leader, int signal) noexcept { return ::kill(-leader, signal) == 0; }

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
