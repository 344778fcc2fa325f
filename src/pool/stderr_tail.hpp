// SPDX-License-Identifier: BSL-1.0
// stderr_tail: the last lines that a worker has written to stderr, for the report of its loss.
#pragma once

#include <string>

#include <kin/os/unique_fd.hpp>

namespace kin::detail {

class stderr_tail {
 public:
  /// Nothing is captured.
  stderr_tail() = default;
  explicit stderr_tail(unique_fd reader) : reader_(std::move(reader)) {}
  /// To be polled for reading; -1 when nothing is captured.
  [[nodiscard]] int native_handle() const noexcept { return reader_.get(); }
  /// Reads what there is. False when there was nothing.
  bool read();
  /// The same, then forgets it: what comes now is another task's.
  void forget();
  /// At most `kept` bytes, cut at the beginning of a line.
  [[nodiscard]] std::string text() const;

 private:
  unique_fd reader_;
  std::string text_;
};

}  // namespace kin::detail
