// SPDX-License-Identifier: BSL-1.0
// incoming_call: a request in the process that runs it (station 5 of docs/data_flow.md).
// Invariant: nothing of the request is believed; only a genuine descriptor of this program's modules is ever called.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <kin/core/export.hpp>
#include <kin/wire/call.hpp>
#include <kin/wire/parcel.hpp>
#include <kin/wire/reader.hpp>
#include <kin/wire/writer.hpp>

namespace kin::detail {

/// What a request's head names. The same for every call with this head.
struct call_target {
  const call_descriptor* descriptor = nullptr;
  const void* function = nullptr;
};
/// Finds it. Throws decode_error: damaged, another build, not loadable, no task.
[[nodiscard]] KIN_EXPORT call_target find_call(std::span<const std::byte> head);

/// Runs once. May load the module that the task lives in. Not thread-safe.
class incoming_call {
 public:
  /// Finds the task. Throws decode_error: damaged, another build, not loadable, no task.
  KIN_EXPORT explicit incoming_call(parcel request);
  /// A call of what was found before: `rest` is the request without its head, and outlives this.
  incoming_call(const call_target& found, std::span<const std::byte> rest) noexcept
      : rest_(rest),
        in_(rest, request_.fds),
        descriptor_(found.descriptor),
        known_function_(found.function),
        function_(found.function) {}
  incoming_call(const incoming_call&) = delete;
  incoming_call& operator=(const incoming_call&) = delete;

  /// "parse(std::string)", "lambda in main".
  [[nodiscard]] KIN_EXPORT std::string_view name() const;
  /// Decodes the arguments, calls, encodes the result. Throws what the task throws, and what its codecs throw; phase()
  /// tells which.
  KIN_EXPORT void run(writer& result);
  [[nodiscard]] call_phase phase() const noexcept { return phase_; }

 private:
  parcel request_;
  std::span<const std::byte> rest_;  // where there is no request_
  reader in_;
  const call_descriptor* descriptor_;
  const void* known_function_ = nullptr;  // and so not in the request
  call_phase phase_ = call_phase::decode;
  mutable const void* function_ = nullptr;  // for the name
  mutable std::string name_;                // made when asked for
};

}  // namespace kin::detail
