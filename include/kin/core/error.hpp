// SPDX-License-Identifier: BSL-1.0
// error: the exceptions of kin. Answers are values; a broken promise is one of these.
// All derive from kin::error, so `catch (const kin::error&)` takes every failure of the library;
// exceptions of the user's own tasks come back as their own type (see wire/outcome.hpp).
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <kin/core/export.hpp>

namespace kin {

/// Root of everything kin throws on its own account.
struct KIN_EXPORT error : std::runtime_error {
  using std::runtime_error::runtime_error;
  error(const error&) = default;
  error& operator=(const error&) = default;
  ~error() override;
};

/// The operating system refused a call. `what()` names the call and what was being done.
struct KIN_EXPORT os_error : error {
  /// `what_was_done` completes "kin: could not …".
  os_error(const std::string& what_was_done, const char* call, int errno_value);
  os_error(const os_error&) = default;
  os_error& operator=(const os_error&) = default;
  ~os_error() override;
  /// The errno value, in std::system_category().
  [[nodiscard]] const std::error_code& code() const noexcept { return code_; }

 private:
  std::error_code code_;
};

/// A process, worker or server could not be started, or kin::init() has not run.
struct KIN_EXPORT start_error : error {
  using error::error;
  start_error(const start_error&) = default;
  start_error& operator=(const start_error&) = default;
  ~start_error() override;
};

/// The other side, or this object, is closed.
struct KIN_EXPORT closed_error : error {
  using error::error;
  closed_error(const closed_error&) = default;
  closed_error& operator=(const closed_error&) = default;
  ~closed_error() override;
};

/// A value could not be turned into bytes. Nothing was sent.
struct KIN_EXPORT encode_error : error {
  using error::error;
  encode_error(const encode_error&) = default;
  encode_error& operator=(const encode_error&) = default;
  ~encode_error() override;
};

/// Bytes that are not the encoding of what was asked for: truncated, damaged or hostile.
struct KIN_EXPORT decode_error : error {
  using error::error;
  decode_error(const decode_error&) = default;
  decode_error& operator=(const decode_error&) = default;
  ~decode_error() override;
};

/// The message is whole, but of another type than the one asked for. It stays readable as its own type.
struct KIN_EXPORT type_mismatch : decode_error {
  using decode_error::decode_error;
  type_mismatch(const type_mismatch&) = default;
  type_mismatch& operator=(const type_mismatch&) = default;
  ~type_mismatch() override;
};

/// The buffer given to recv_bytes_into was too small. Carries the whole message, which is thereby received.
struct KIN_EXPORT buffer_too_short : error {
  explicit buffer_too_short(std::vector<std::byte> whole_message);
  buffer_too_short(const buffer_too_short&) = default;
  buffer_too_short& operator=(const buffer_too_short&) = default;
  ~buffer_too_short() override;
  [[nodiscard]] const std::vector<std::byte>& message() const& noexcept { return message_; }
  [[nodiscard]] std::vector<std::byte> message() && noexcept { return std::move(message_); }

 private:
  std::vector<std::byte> message_;
};

/// A task did not end within its time; its worker was killed.
struct KIN_EXPORT task_timeout : error {
  using error::error;
  task_timeout(const task_timeout&) = default;
  task_timeout& operator=(const task_timeout&) = default;
  ~task_timeout() override;
};

/// The task was cancelled, or its pool was terminated before the task ended.
struct KIN_EXPORT cancelled_error : error {
  using error::error;
  cancelled_error(const cancelled_error&) = default;
  cancelled_error& operator=(const cancelled_error&) = default;
  ~cancelled_error() override;
};

/// The holder of a lock died; the caller does not hold it. See recover().
struct KIN_EXPORT owner_died : error {
  using error::error;
  owner_died(const owner_died&) = default;
  owner_died& operator=(const owner_died&) = default;
  ~owner_died() override;
};

/// A barrier that can no longer be passed: a party died or it was aborted.
struct KIN_EXPORT broken_barrier : error {
  using error::error;
  broken_barrier(const broken_barrier&) = default;
  broken_barrier& operator=(const broken_barrier&) = default;
  ~broken_barrier() override;
};

/// The peer could not prove that it knows the key.
struct KIN_EXPORT authentication_error : error {
  using error::error;
  authentication_error(const authentication_error&) = default;
  authentication_error& operator=(const authentication_error&) = default;
  ~authentication_error() override;
};

/// Derive your own exceptions from this to let a pool's `retries` cover them.
struct KIN_EXPORT retryable : error {
  using error::error;
  retryable(const retryable&) = default;
  retryable& operator=(const retryable&) = default;
  ~retryable() override;
};

}  // namespace kin
