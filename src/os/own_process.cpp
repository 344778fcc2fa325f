// SPDX-License-Identifier: BSL-1.0
// own_process: see the header.
#include "os/own_process.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstring>

#include <kin/os/duplicate.hpp>

#include "os/gate.hpp"

namespace kin::os {

void die_with_parent(int parent) noexcept {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  // It may have ended before the line above: then no signal will come.
  if (::getppid() != parent) ::_exit(127);
}

void outlive_parent() noexcept { ::prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0); }

void go_on_in_a_copy() {
  if (call("fork", "start a process", [] { return ::fork(); }) != 0) ::_exit(0);
  ::setpgid(0, 0);
}

unique_fd reopen_pipe(int fd) {
  // Not by snprintf, whose pages a copy would have to fetch.
  char path[32] = "/proc/self/fd/";
  char* end = std::to_chars(path + std::strlen(path), path + sizeof path - 1, fd).ptr;
  *end = '\0';
  return above_standard(unique_fd(call("open", "tie this process to the one it was started for",
                                       [&] { return ::open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); })));
}

void move_descriptor(unique_fd from, int to) {
  call("dup3", "arrange file descriptors", [&] { return ::dup3(from.get(), to, O_CLOEXEC); });
}

unique_fd at_or_above(int first, unique_fd fd) {
  if (fd.get() >= first) return fd;
  return unique_fd(call("fcntl(F_DUPFD_CLOEXEC)", "arrange file descriptors",
                        [&] { return ::fcntl(fd.get(), F_DUPFD_CLOEXEC, first); }));
}

void set_standard_stream(int from, int to) {
  if (from < 0)
    ::close(to);
  else
    call("dup2", "redirect a child's output", [&] { return ::dup2(from, to); });
}

void close_descriptors_from(int first) noexcept { ::syscall(SYS_close_range, first, ~0u, 0); }

void silence_standard_streams() {
  const unique_fd null =
      above_standard(unique_fd(call("open", "open /dev/null", [] { return ::open("/dev/null", O_RDWR | O_CLOEXEC); })));
  for (int fd = 0; fd < 3; ++fd) set_standard_stream(null.get(), fd);
}

namespace {
constexpr int group_signals[] = {SIGINT, SIGQUIT, SIGHUP, SIGTERM};
}

void ignore_group_signals() noexcept {
  for (const int s : group_signals) std::signal(s, SIG_IGN);
}
void default_group_signals() noexcept {
  for (const int s : group_signals) std::signal(s, SIG_DFL);
}

bool give_way_when_woken() noexcept {
  const sched_param none{};
  return ::sched_getscheduler(0) == SCHED_OTHER && ::sched_setscheduler(0, SCHED_BATCH, &none) == 0;
}

void stop_giving_way() noexcept {
  const sched_param none{};
  ::sched_setscheduler(0, SCHED_OTHER, &none);
}

void name_own_process(const char* name) noexcept { ::prctl(PR_SET_NAME, name, 0, 0, 0); }

void allow_most_descriptors() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void limit_descriptors(const rlimit& limit) noexcept { ::setrlimit(RLIMIT_NOFILE, &limit); }

void write_note(int pipe, std::span<const std::byte> note) {
  call("write", "tell the fork server", [&] { return ::write(pipe, note.data(), note.size()); });
}

void leave_at_once(int code) noexcept { ::_exit(code); }

}  // namespace kin::os
