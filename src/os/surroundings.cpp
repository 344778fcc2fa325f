// SPDX-License-Identifier: BSL-1.0
// surroundings: see the header.
#include "os/surroundings.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <clocale>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <mutex>
#include <new>
#include <string_view>

#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define KIN_KNOWS_SINGLE_THREADED 1
#else
#define KIN_KNOWS_SINGLE_THREADED 0
#endif

#include <kin/os/duplicate.hpp>

#include "os/gate.hpp"

namespace kin::os {
namespace {

std::atomic<int> own_threads{0};
std::mutex counting;  // held from before a thread of kin's is counted until there is one

// ThreadSanitizer has a thread of its own, and in a copy by fork may start another.
#if defined(__SANITIZE_THREAD__)
#define KIN_UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KIN_UNDER_TSAN 1
#endif
#endif
#ifdef KIN_UNDER_TSAN
int sanitizer_threads = 1;
constexpr int sanitizer_threads_of_a_copy = 2;
#else
int sanitizer_threads = 0;
constexpr int sanitizer_threads_of_a_copy = 0;
#endif

std::string read_whole_file(const char* path) {
  std::string text;
  const int number = try_call("open", [&] { return ::open(path, O_RDONLY | O_CLOEXEC); });
  if (number < 0) return text;
  const unique_fd fd(number);
  char buffer[4096];
  for (;;) {
    const ssize_t n = try_call("read", [&] { return ::read(fd.get(), buffer, sizeof buffer); });
    if (n <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(n));
  }
}

std::vector<std::string> split_at_nul(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] == '\0') {
      parts.push_back(text.substr(start, i - start));
      start = i + 1;
    }
  return parts;
}

// glibc hands to constructors what it hands to main(): their memory is what /proc/self/cmdline shows.
int argument_count = 0;
char** argument_strings = nullptr;
[[gnu::constructor(101)]] void note_arguments(int count, char** strings) {
  argument_count = count;
  argument_strings = strings;
}

std::vector<std::string> current_arguments() {
  std::vector<std::string> arguments;
  if (argument_strings)
    for (int i = 0; i < argument_count && argument_strings[i]; ++i) arguments.emplace_back(argument_strings[i]);
  else
    arguments = split_at_nul(read_whole_file("/proc/self/cmdline"));
  if (arguments.empty()) arguments.emplace_back("kin");
  return arguments;
}

bool has_one_thread() {
#if KIN_KNOWS_SINGLE_THREADED
  return __libc_single_threaded;
#else
  return false;
#endif
}

// umask(2) can only be read by setting it, which would race with other threads; /proc has it since Linux 4.7, and takes
// fifty times as long.
unsigned current_umask() {
  if (has_one_thread()) {
    const mode_t mask = ::umask(077);
    ::umask(mask);
    return mask;
  }
  const std::string status = read_whole_file("/proc/self/status");
  const auto at = status.find("\nUmask:");
  if (at == std::string::npos) return 022;
  return static_cast<unsigned>(std::strtoul(status.c_str() + at + 7, nullptr, 8));
}

std::vector<std::byte> current_affinity() {
  // The kernel's mask may be longer than cpu_set_t: grow until it fits (man 2 sched_getaffinity).
  for (std::size_t size = sizeof(cpu_set_t); size <= 64 * sizeof(cpu_set_t); size *= 2) {
    std::vector<std::byte> mask(size);
    if (::sched_getaffinity(0, size, reinterpret_cast<cpu_set_t*>(mask.data())) == 0) return mask;
    if (errno != EINVAL) break;
  }
  return {};
}

}  // namespace

surroundings surroundings::now() {
  surroundings s;
  s.arguments = current_arguments();
  for (char** e = environ; e && *e; ++e) s.environment.emplace_back(*e);
  const int directory = try_call("open", [] { return ::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC); });
  s.directory = above_standard(unique_fd(directory));
  s.umask = current_umask();
  if (const char* name = std::setlocale(LC_ALL, nullptr)) s.locale = name;
  for (std::size_t i = 0; i < s.limits.size(); ++i) ::getrlimit(static_cast<__rlimit_resource>(i), &s.limits[i]);
  s.affinity = current_affinity();
  return s;
}

namespace {
int threads_now() {
  // The folder of a process's threads has a link for each, and two more: one call instead of five.
  struct stat status {};
  if (::stat("/proc/self/task", &status) == 0 && status.st_nlink > 2) return static_cast<int>(status.st_nlink) - 2;
  const std::unique_ptr<DIR, int (*)(DIR*)> tasks(::opendir("/proc/self/task"), &::closedir);
  if (!tasks) return 1;
  int n = 0;
  while (const dirent* entry = ::readdir(tasks.get()))
    if (std::isdigit(static_cast<unsigned char>(entry->d_name[0]))) ++n;
  return n;
}
int foreign_threads_now() {
  const std::lock_guard hold(counting);
  return std::max(0, threads_now() - 1 - sanitizer_threads - own_threads.load());
}
}  // namespace

// A joined thread is listed for a moment longer, and one of kin's own is counted a moment after it began.
int foreign_threads() {
  int n = foreign_threads_now();
  // One that a pool has just started needs to be given a processor, no more.
  for (int attempt = 0; n > 0 && attempt < 100; ++attempt) {
    ::sched_yield();
    n = foreign_threads_now();
  }
  for (int attempt = 0; n > 0 && attempt < 200; ++attempt) {
    const timespec moment{0, 500'000};
    ::nanosleep(&moment, nullptr);
    n = foreign_threads_now();
  }
  return n;
}

own_thread::being_counted::being_counted() noexcept {
  counting.lock();
  ++own_threads;
}
own_thread::being_counted::~being_counted() {
  if (!kept_) --own_threads;
  counting.unlock();
}

own_thread::own_thread(const char* name) noexcept : own_thread(name, (++own_threads, counted{})) {}

own_thread::own_thread(const char* name, counted) noexcept {
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
  ::prctl(PR_SET_NAME, name, 0, 0, 0);
}

void own_thread::take_signals() noexcept {
  sigset_t none;
  sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

own_thread::~own_thread() { --own_threads; }

void own_thread::forget_all() noexcept {
  new (&counting) std::mutex;  // another thread may have held it
  own_threads = 0;
  sanitizer_threads = sanitizer_threads_of_a_copy;
}

bool runs_with_raised_privileges() noexcept { return ::getauxval(AT_SECURE) != 0; }

}  // namespace kin::os
