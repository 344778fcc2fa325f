// SPDX-License-Identifier: BSL-1.0
// surroundings: what a process inherits from the one that starts it, as it was at one moment (kin::init()).
// Every child starts from this snapshot, so that what threads change later cannot leak into it half done.
#pragma once

#include <sys/resource.h>

#include <array>
#include <cstddef>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <kin/os/unique_fd.hpp>

namespace kin::os {

struct surroundings {
  std::vector<std::string> arguments;    ///< argv
  std::vector<std::string> environment;  ///< NAME=VALUE
  unique_fd directory;                   ///< O_PATH on the working directory; empty when it cannot be opened
  unsigned umask = 022;
  std::string locale;  ///< setlocale(LC_ALL, nullptr)
  std::array<rlimit, RLIM_NLIMITS> limits{};
  std::vector<std::byte> affinity;  ///< a cpu_set_t of whatever size the kernel uses; empty when unknown

  static surroundings now();
};

/// Threads of this process that are neither the main thread nor started by kin (or a sanitizer).
int foreign_threads();
/// Kin's own threads count themselves, so that foreign_threads() can subtract them.
class own_thread {
 public:
  /// Names the calling thread ("kin-…", at most 15 bytes) and blocks all signals in it: handlers run in user threads.
  explicit own_thread(const char* name) noexcept;
  /// The same in a thread that start() has counted.
  struct counted {};
  own_thread(const char* name, counted) noexcept;
  /// Unblocks them: for threads of this process alone that run the user's code.
  static void take_signals() noexcept;
  own_thread(const own_thread&) = delete;
  own_thread& operator=(const own_thread&) = delete;
  ~own_thread();
  /// Starts a detached thread that counts as kin's from its first moment, which start::fork need not wait for then. Its
  /// function begins with own_thread(name, counted). Throws std::system_error.
  template <class Function>
  static void start(Function&& f) {
    const being_counted now;
    std::thread(std::forward<Function>(f)).detach();
    now.keep();
  }
  /// In a forked child only the calling thread exists.
  static void forget_all() noexcept;

 private:
  // Nobody counts threads meanwhile.
  class being_counted {
   public:
    being_counted() noexcept;
    being_counted(const being_counted&) = delete;
    being_counted& operator=(const being_counted&) = delete;
    ~being_counted();
    void keep() const noexcept { kept_ = true; }

   private:
    mutable bool kept_ = false;
  };
};

/// True for set-uid, set-gid and file-capability programs.
bool runs_with_raised_privileges() noexcept;

}  // namespace kin::os
