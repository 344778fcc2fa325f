// SPDX-License-Identifier: BSL-1.0
// victims: the workers of a pool that a chaos kills, stops and continues; and how long and how it does that.
#pragma once

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <system_error>
#include <utility>

#include <kin/os/unique_fd.hpp>
#include <kin/pool.hpp>

namespace kin_test {

inline long setting(const char* name, long otherwise) {
  const char* text = std::getenv(name);
  return text ? std::atol(text) : otherwise;
}

inline int parent_of(int pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string id, name, state;
  int parent = -1;
  stat >> id >> name >> state >> parent;
  return parent;
}

/// Whether it is a child of this process, or of its fork server, which is this program, too.
inline bool is_ours(int pid) {
  const int parent = parent_of(pid);
  std::error_code none;
  return parent == ::getpid() || (parent > 1 && std::filesystem::equivalent("/proc/" + std::to_string(parent) + "/exe",
                                                                            "/proc/self/exe", none));
}

/// The longest pause between two blows, in microseconds: `at_least`, or as much more as a start takes here. Killed
/// faster than they start, workers would never serve; with longer pauses there would be too few blows.
inline std::uint64_t longest_pause(kin::pool& workers, std::uint64_t at_least) {
  const auto begin = std::chrono::steady_clock::now();
  workers.apply([] {});
  const std::chrono::duration<double, std::micro> start = std::chrono::steady_clock::now() - begin;
  return std::clamp(static_cast<std::uint64_t>(3 * start.count()), at_least, std::uint64_t{300'000});
}

/// Workers by pidfd: a number may be somebody else's by the time it is used.
class victims {
 public:
  void add(int pid) {
    kin::unique_fd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!fd || !is_ours(pid)) return;
    const std::lock_guard hold(mutex_);
    all_.insert_or_assign(pid, std::move(fd));
  }
  void note(const kin::worker_event& e) {
    if (e.what == kin::worker_event::kind::started) add(e.pid);
    if (e.what == kin::worker_event::kind::lost || e.what == kin::worker_event::kind::retired) remove(e.pid);
  }
  void remove(int pid) {
    const std::lock_guard hold(mutex_);
    all_.erase(pid);
  }
  void signal_one(std::mt19937_64& random, int number) {
    const std::lock_guard hold(mutex_);
    if (all_.empty()) return;
    const auto it = std::next(all_.begin(), static_cast<std::ptrdiff_t>(random() % all_.size()));
    ::syscall(SYS_pidfd_send_signal, it->second.get(), number, nullptr, 0);
  }
  void signal_all(int number) {
    const std::lock_guard hold(mutex_);
    for (const auto& [pid, fd] : all_) ::syscall(SYS_pidfd_send_signal, fd.get(), number, nullptr, 0);
  }

 private:
  std::mutex mutex_;
  std::map<int, kin::unique_fd> all_;
};

}  // namespace kin_test
