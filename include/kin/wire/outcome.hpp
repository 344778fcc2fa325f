// SPDX-License-Identifier: BSL-1.0
// outcome: how a call ended, on its way back: its value, or its exception (stations 5 and 8 of docs/data_flow.md).
// The first byte says which, so that a pool can tell without decoding the rest.
#pragma once

#include <exception>
#include <string>
#include <type_traits>

#include <kin/core/export.hpp>
#include <kin/wire/incoming_call.hpp>
#include <kin/wire/parcel.hpp>
#include <kin/wire/reader.hpp>
#include <kin/wire/remote.hpp>
#include <kin/wire/writer.hpp>

namespace kin::detail {

enum class outcome_kind : unsigned char { value, exception, retryable_exception };

/// Runs the call and answers with what came of it. Throws only std::bad_alloc. An exception of the task is the outcome
/// as it is; one of a codec is wrapped in a decode_error or encode_error that says whether an argument or the result
/// was it.
[[nodiscard]] KIN_EXPORT parcel run_to_outcome(incoming_call& call);
/// The same for a request as it came: one that is no call has a decode_error as its outcome.
[[nodiscard]] KIN_EXPORT parcel run_request(parcel request);

/// An outcome made here.
template <class R>
[[nodiscard]] parcel encode_value_outcome(const R& value) {
  writer out(delivery::once);
  out(outcome_kind::value, value);
  return out.take();
}
[[nodiscard]] KIN_EXPORT parcel encode_value_outcome();
[[nodiscard]] KIN_EXPORT parcel encode_exception_outcome(std::exception_ptr exception);

/// True unless it holds a value (also for bytes that are no outcome).
[[nodiscard]] KIN_EXPORT bool outcome_failed(const parcel& outcome) noexcept;
/// True when the exception derives from kin::retryable.
[[nodiscard]] KIN_EXPORT bool outcome_retryable(const parcel& outcome) noexcept;
/// The exception, null for a value. Damaged bytes are a decode_error, returned. `worker` is where it comes from.
[[nodiscard]] KIN_EXPORT std::exception_ptr outcome_exception(parcel&& outcome, const std::string& worker);

/// Reads the head; throws the exception, if that is what it is, or decode_error.
KIN_EXPORT void open_outcome(reader& in, const std::string& worker);

/// The value, or throws the exception. R is a call_result_t. Throws decode_error for damaged bytes.
template <class R>
R decode_outcome(parcel&& outcome, const std::string& worker) {
  parcel owned = std::move(outcome);
  owned.arrived();
  reader in(owned);
  open_outcome(in, worker);
  if constexpr (std::is_void_v<R>) {
    in.finish();
  } else {
    R value = in.take<R>();
    in.finish();
    return value;
  }
}

}  // namespace kin::detail
