// SPDX-License-Identifier: BSL-1.0
// own_image: see the header.
#include "os/own_image.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include <kin/os/duplicate.hpp>

#include "os/gate.hpp"

namespace kin::os {

int fork_process() {
  std::cout.flush();
  std::clog.flush();
  std::fflush(nullptr);
  return static_cast<int>(call("fork", "start a process", [] { return ::fork(); }));
}

namespace {

void default_signals() {
  for (int s = 1; s < NSIG; ++s)
    if (s != SIGKILL && s != SIGSTOP) std::signal(s, SIG_DFL);  // fails for glibc's own two: they are not ours to touch
  sigset_t none;
  sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

// Strings that the copied code may hold by getenv stay where they are.
void replace_environment(const std::vector<std::string>& entries) {
  ::clearenv();
  for (const auto& entry : entries) {
    const auto equals = entry.find('=');
    if (equals != std::string::npos) ::setenv(entry.substr(0, equals).c_str(), entry.c_str() + equals + 1, 1);
  }
}

using refusal = std::optional<refused_change>;

template <class Call>
refusal step(const char* name, const std::string& doing, Call&& call) {
  if (try_call(name, call) != -1) return std::nullopt;
  return refused_change{doing, name, errno};
}

refusal redirect(const image_changes& changes) {
  // Sources first, above the targets, or one dup2 would overwrite the source of the next.
  std::vector<unique_fd> sources;
  for (const auto& [to, from] : changes.descriptors) {
    sources.emplace_back(
        try_call("fcntl(F_DUPFD_CLOEXEC)", [from = from] { return ::fcntl(from, F_DUPFD_CLOEXEC, 3); }));
    if (!sources.back()) return refused_change{"prepare a child's file descriptors", "fcntl(F_DUPFD_CLOEXEC)", errno};
  }
  unique_fd null(try_call("open", [] { return ::open("/dev/null", O_RDWR); }));
  if (!null) return refused_change{"open /dev/null", "open", errno};
  // Number 0 may have been free: then it is in its place already, and stays.
  if (null.get() == 0)
    (void)null.release();
  else if (auto r = step("dup3", "redirect stdin", [&] { return ::dup2(null.get(), 0); }))
    return r;
  for (std::size_t i = 0; i < sources.size(); ++i)
    if (auto r = step("dup3", "redirect a child's output",
                      [&] { return ::dup2(sources[i].get(), changes.descriptors[i].first); }))
      return r;
  return std::nullopt;
}

refusal enter_directory(const image_changes& changes) {
  if (changes.inherited->directory)
    if (auto r = step("fchdir", "enter the directory of kin::init()",
                      [&] { return ::fchdir(changes.inherited->directory.get()); }))
      return r;
  if (changes.working_directory.empty()) return std::nullopt;
  return step("chdir", "enter the directory " + changes.working_directory,
              [&] { return ::chdir(changes.working_directory.c_str()); });
}

refusal set_affinity(const image_changes& changes) {
  if (changes.affinity.empty()) {
    const auto& mask = changes.inherited->affinity;
    if (!mask.empty()) ::sched_setaffinity(0, mask.size(), reinterpret_cast<const cpu_set_t*>(mask.data()));
    return std::nullopt;
  }
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int p : changes.affinity) {
    if (p < 0 || p >= CPU_SETSIZE)
      return refused_change{"use processor " + std::to_string(p), "sched_setaffinity", EINVAL};
    CPU_SET(static_cast<unsigned>(p), &set);
  }
  return step("sched_setaffinity", "set a child's affinity", [&] { return ::sched_setaffinity(0, sizeof set, &set); });
}

refusal set_limits(const image_changes& changes) {
  auto wanted = changes.inherited->limits;
  for (const auto& [resource, value] : changes.limits) wanted.at(static_cast<std::size_t>(resource)) = value;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto resource = static_cast<__rlimit_resource>(i);
    rlimit present{};
    if (::getrlimit(resource, &present) == 0 && present.rlim_cur == wanted[i].rlim_cur &&
        present.rlim_max == wanted[i].rlim_max)
      continue;
    if (auto r = step("setrlimit", "set a child's limits", [&] { return ::setrlimit(resource, &wanted[i]); })) return r;
  }
  return std::nullopt;
}

}  // namespace

std::optional<refused_change> change_own_image(const image_changes& changes) {
  default_signals();
  if (changes.own_process_group) ::setpgid(0, 0);
  replace_environment(changes.environment);
  ::umask(changes.inherited->umask);
  for (const auto part : {&redirect, &enter_directory, &set_affinity, &set_limits})
    if (auto r = part(changes)) return r;
  return std::nullopt;
}

void on_exit_of_copy(void (*end)(int code)) {
  // Handlers run last registered first (man 3 on_exit), so this comes before those that the parent had registered.
  ::on_exit([](int code, void* f) { reinterpret_cast<void (*)(int)>(f)(code); }, reinterpret_cast<void*>(end));
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
  return above_standard(unique_fd(call("open", doing.c_str(), [&] {
    return ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0666);
  })));
}

}  // namespace kin::os
