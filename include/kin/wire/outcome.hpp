// SPDX-License-Identifier: BSL-1.0
// outcome: how a call ended, on its way back: its value, or its exception (stations 5 and 8 of docs/data_flow.md).
// The first byte says which, so that a pool can tell without decoding the rest.
#pragma once

#include <cstddef>
#include <exception>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

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
/// The same, written into `out`, which is empty.
KIN_EXPORT void run_to_outcome(incoming_call& call, writer& out);
/// The same for a request as it came: one that is no call has a decode_error as its outcome.
[[nodiscard]] KIN_EXPORT parcel run_request(parcel request);
KIN_EXPORT void run_request(parcel request, writer& out);

/// An outcome made here.
template <class R>
[[nodiscard]] parcel encode_value_outcome(const R& value) {
  writer out(delivery::once);
  out(outcome_kind::value, value);
  return out.take();
}
[[nodiscard]] KIN_EXPORT parcel encode_value_outcome();
[[nodiscard]] KIN_EXPORT parcel encode_exception_outcome(std::exception_ptr exception);
KIN_EXPORT void encode_exception_outcome(std::exception_ptr exception, writer& out);

/// True unless it holds a value (also for bytes that are no outcome).
[[nodiscard]] KIN_EXPORT bool outcome_failed(std::span<const std::byte> outcome) noexcept;
[[nodiscard]] inline bool outcome_failed(const parcel& outcome) noexcept { return outcome_failed(outcome.view()); }
/// True when the exception derives from kin::retryable.
[[nodiscard]] KIN_EXPORT bool outcome_retryable(const parcel& outcome) noexcept;
/// The exception, null for a value. Damaged bytes are a decode_error, returned. `worker` is where it comes from.
[[nodiscard]] KIN_EXPORT std::exception_ptr outcome_exception(parcel&& outcome, const std::string& worker);

/// Reads the head; throws the exception, if that is what it is, or decode_error.
KIN_EXPORT void open_outcome(reader& in, const std::string& worker);

/// The value whose bytes these are, all of them: what is behind the head of an outcome that has not failed, and refers
/// to no descriptors. Throws decode_error.
template <class R>
R decode_value(std::span<const std::byte> bytes) {
  std::vector<unique_fd> none;
  reader in(bytes, none);
  if constexpr (std::is_void_v<R>) {
    in.finish();
  } else {
    R value = in.take<R>();
    in.finish();
    return value;
  }
}

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
