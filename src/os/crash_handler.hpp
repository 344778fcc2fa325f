// SPDX-License-Identifier: BSL-1.0
// crash_handler: a dying worker's last act: signal, address and raw return addresses into a file that its parent holds.
// Names are made by the parent (crash_report), because nothing that makes names is safe in a signal handler.
#pragma once

#include <cstdint>

namespace kin::os {

/// What the handler writes, then `frames` addresses of 8 bytes, then /proc/self/maps.
struct crash_head {
  std::uint32_t magic;
  std::uint32_t signal;
  std::int32_t code;  ///< si_code
  std::int32_t pid;   ///< who: what a worker has forked writes here too
  std::uint32_t frames;
  std::int32_t sender;    ///< of a signal that a process has sent; else 0
  std::uint64_t address;  ///< that was touched; 0 where it means nothing
  std::uint64_t jumped_to_nowhere;
};
inline constexpr std::uint32_t crash_magic = 0x6b637273;
inline constexpr std::uint32_t most_frames = 128;

/// Loads and initialises what reporting needs: the handler must not, and copies of this process need not.
void prepare_crash_reports();

/// Handles SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS and SIGTRAP, except where somebody else (a sanitizer, the
/// user) already does. The process then dies of the same signal, so that its status and core dump stay true. `fd` is
/// kept for good.
void report_crashes_to(int fd);

}  // namespace kin::os
