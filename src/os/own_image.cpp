// SPDX-License-Identifier: BSL-1.0
// own_image: see the header.
#include "os/own_image.hpp"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "os/gate.hpp"

namespace kin::os {

int fork_process() {
  std::cout.flush();
  std::clog.flush();
  std::fflush(nullptr);
  return static_cast<int>(call("fork", "start a process", [] { return ::fork(); }));
}

void change_own_image(const image_changes& changes) {
  for (int s = 1; s < NSIG; ++s)
    if (s != SIGKILL && s != SIGSTOP) std::signal(s, SIG_DFL);  // fails for glibc's own two: they are not ours to touch
  sigset_t none;
  sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  if (changes.own_process_group) ::setpgid(0, 0);

  const unique_fd null(call("open", "open /dev/null", [] { return ::open("/dev/null", O_RDWR | O_CLOEXEC); }));
  call("dup3", "redirect stdin", [&] { return null.get() == 0 ? 0 : ::dup2(null.get(), 0); });
  for (const auto& [to, from] : changes.descriptors)
    call("dup3", "redirect a child's output", [to = to, from = from] { return ::dup2(from, to); });
  if (!changes.working_directory.empty())
    call("chdir", ("enter the directory " + changes.working_directory).c_str(),
         [&] { return ::chdir(changes.working_directory.c_str()); });
  for (const auto& [name, value] : changes.environment) ::setenv(name.c_str(), value.c_str(), 1);
  if (!changes.affinity.empty()) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const int p : changes.affinity)
      if (p >= 0 && p < CPU_SETSIZE) CPU_SET(static_cast<unsigned>(p), &set);
    call("sched_setaffinity", "set a child's affinity", [&] { return ::sched_setaffinity(0, sizeof set, &set); });
  }
  for (const auto& [resource, value] : changes.limits)
    call("setrlimit", "set a child's limits", [resource = resource, &value = value] {
      return ::setrlimit(static_cast<__rlimit_resource>(resource), &value);
    });
}

void leave_forked_image(int code) {
  std::cout.flush();
  std::cerr.flush();
  std::clog.flush();
  std::fflush(nullptr);
  ::_exit(code);
}

unique_fd open_output(const std::string& path, bool append) {
  const std::string doing = "open " + path + " for a child's output";
  return unique_fd(call("open", doing.c_str(), [&] {
    return ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0666);
  }));
}

}  // namespace kin::os
