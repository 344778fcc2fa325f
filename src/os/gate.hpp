// SPDX-License-Identifier: BSL-1.0
// gate: the one place where a system call's errno becomes an exception, EINTR is retried, and tests inject faults.
// Used by os/ alone; the rooms above see typed functions.
#pragma once

#include <cerrno>
#include <string>

#include <kin/core/error.hpp>

namespace kin::os {

/// Test hook: lets the n-th gated call from now (counted over calls whose name matches, or all when `call` is null)
/// fail with `errno_value`. Process-wide; n == 0 disarms.
KIN_EXPORT void inject_fault(const char* call, int nth, int errno_value) noexcept;
/// How many gated calls have matched since inject_fault.
KIN_EXPORT int calls_since_injection() noexcept;

namespace gate {
/// True when this call must fail now; errno is set.
bool fault_due(const char* call) noexcept;
}  // namespace gate

/// Runs a system call, again after EINTR; returns its result, -1 with errno set when it failed.
template <class Call>
auto try_call(const char* name, Call&& call) noexcept(noexcept(call())) {
  if (gate::fault_due(name)) return static_cast<decltype(call())>(-1);
  for (;;) {
    const auto result = call();
    if (result != static_cast<decltype(call())>(-1) || errno != EINTR) return result;
  }
}

/// The same, but a failure is an os_error: "kin: could not DOING: NAME: reason".
template <class Call>
auto call(const char* name, const char* doing, Call&& function) {
  const auto result = try_call(name, function);
  if (result == static_cast<decltype(function())>(-1)) throw os_error(doing, name, errno);
  return result;
}

}  // namespace kin::os
