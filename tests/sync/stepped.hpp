// SPDX-License-Identifier: BSL-1.0
// stepped: a copy of the test that goes so many instructions into an operation, and is killed there (ptrace).
#pragma once

#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace kin_test {

class stepped {
 public:
  /// Runs `prepare` in the copy and stops it before `operation`.
  template <class Prepare, class Operation>
  stepped(Prepare prepare, Operation operation) : pid_(fork()) {
    int status = 0;
    if (pid_ != 0) {
      waitpid(pid_, &status, 0);
      return;
    }
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    prepare();
    raise(SIGSTOP);
    operation();
    raise(SIGUSR1);
    _exit(0);
  }
  /// False: it got to the end, after `made` instructions.
  bool step_and_die(long steps, long& made) {
    int status = 0;
    bool inside = true;
    for (made = 0; made < steps && inside; ++made) {
      ptrace(PTRACE_SINGLESTEP, pid_, nullptr, nullptr);
      waitpid(pid_, &status, 0);
      inside = WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP;
    }
    kill(pid_, SIGKILL);
    waitpid(pid_, &status, 0);
    return inside;
  }

 private:
  int pid_;
};

}  // namespace kin_test
