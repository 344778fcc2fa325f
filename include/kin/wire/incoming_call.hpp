// SPDX-License-Identifier: BSL-1.0
// incoming_call: a request in the process that runs it (station 5 of docs/data_flow.md).
// Invariant: nothing of the request is believed; only a genuine descriptor of this program's modules is ever called.
#pragma once

#include <string>
#include <string_view>

#include <kin/core/export.hpp>
#include <kin/wire/call.hpp>
#include <kin/wire/parcel.hpp>
#include <kin/wire/reader.hpp>
#include <kin/wire/writer.hpp>

namespace kin::detail {

/// Runs once. May load the module that the task lives in. Not thread-safe.
class incoming_call {
 public:
  /// Finds the task. Throws decode_error: damaged, another build, not loadable, no task.
  KIN_EXPORT explicit incoming_call(parcel request);
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
  reader in_;
  const call_descriptor* descriptor_;
  call_phase phase_ = call_phase::decode;
  const void* function_ = nullptr;  // for the name
  mutable std::string name_;        // made when asked for
};

}  // namespace kin::detail
