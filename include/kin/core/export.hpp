// SPDX-License-Identifier: BSL-1.0
// export: what is visible outside the library, and the assertion for bugs of kin itself.
// Every exception class and every function that user code links to is KIN_EXPORT: a program
// built with -fvisibility=hidden must still catch what the library throws.
#pragma once

#if __cplusplus < 202002L
#error "kin needs C++20: compile with -std=c++20"
#endif
#if !defined(__cpp_rtti) || !defined(__cpp_exceptions)
#error "kin needs exceptions and RTTI: compile without -fno-exceptions and -fno-rtti"
#endif

#define KIN_EXPORT __attribute__((visibility("default")))

namespace kin::detail {
/// Prints the failed expression with its place to stderr and aborts. Bugs are not errors.
[[noreturn]] KIN_EXPORT void assertion_failed(const char* expression, const char* file, int line) noexcept;
}  // namespace kin::detail

#define KIN_ASSERT(expression) \
  (static_cast<bool>(expression) ? void(0) : ::kin::detail::assertion_failed(#expression, __FILE__, __LINE__))
