// SPDX-License-Identifier: BSL-1.0
// pidfd: raw system calls, because glibc 2.36's <sys/pidfd.h> lacks extern "C" and waitid() drops the resource usage.
#include "os/pidfd.hpp"

#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include <kin/os/duplicate.hpp>

#include "os/gate.hpp"
#include "os/poll.hpp"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace kin::os {
namespace {
std::chrono::microseconds duration_of(const timeval& t) {
  return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
}
}  // namespace

unique_fd open_pidfd(int pid) {
  return above_standard(unique_fd(
      static_cast<int>(call("pidfd_open", "watch a process", [pid] { return ::syscall(SYS_pidfd_open, pid, 0u); }))));
}

bool wait_for_end(int pidfd, deadline until) { return poll_until(pidfd, POLLIN, until); }

namespace {
std::optional<ended_child> take_end(int pidfd, int flags) {
  siginfo_t info{};
  rusage usage{};
  const long result = try_call(
      "waitid", [&] { return ::syscall(SYS_waitid, P_PIDFD, pidfd, &info, WEXITED | __WALL | flags, &usage); });
  if (result < 0) {
    if (errno == ECHILD) return std::nullopt;
    throw os_error("take the exit status of a child", "waitid", errno);
  }
  ended_child ended;
  if (info.si_code == CLD_EXITED) {
    ended.code = info.si_status;
  } else {
    ended.signal = info.si_status;
    ended.core_dumped = info.si_code == CLD_DUMPED;
  }
  ended.peak_memory = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
  ended.user_time = duration_of(usage.ru_utime);
  ended.system_time = duration_of(usage.ru_stime);
  return ended;
}
}  // namespace

std::optional<ended_child> reap(int pidfd) { return take_end(pidfd, 0); }
std::optional<ended_child> look_at_end(int pidfd) { return take_end(pidfd, WNOWAIT); }

bool send_signal(int pidfd, int signal) {
  const long result =
      try_call("pidfd_send_signal", [&] { return ::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0u); });
  if (result == 0) return true;
  if (errno == ESRCH) return false;
  throw os_error("send a signal to a process", "pidfd_send_signal", errno);
}

}  // namespace kin::os
