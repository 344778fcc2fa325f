// SPDX-License-Identifier: BSL-1.0
// outcome: see the header.
#include <kin/wire/outcome.hpp>

#include <cxxabi.h>

#include <new>
#include <string>
#include <utility>

#include <kin/core/error.hpp>

namespace kin::detail {
namespace {

/// Throws the exception being handled inside one that says what was being done.
[[noreturn]] void rethrow_with_phase(const incoming_call& call) {
  const std::string name(call.name());
  const auto text = describe_exception(std::current_exception());
  if (call.phase() == call_phase::decode)
    std::throw_with_nested(decode_error("kin: the arguments of " + name + " could not be decoded: " + text));
  std::throw_with_nested(encode_error("kin: the result of " + name + " could not be encoded: " + text));
}

/// The exception being handled, as the caller is to see it.
std::exception_ptr failure_of(const incoming_call& call) {
  if (call.phase() == call_phase::run) return std::current_exception();
  try {
    rethrow_with_phase(call);
  } catch (...) {
    return std::current_exception();
  }
}

}  // namespace

// GCC hands over a null reference where pthread_exit is caught.
__attribute__((no_sanitize("null"))) void run_to_outcome(incoming_call& call, writer& out) {
  try {
    out.put(outcome_kind::value);
    call.run(out);
  } catch (abi::__forced_unwind&) {
    throw;  // pthread_exit in a task: must go on
  } catch (...) {
    out.clear();
    encode_exception_outcome(failure_of(call), out);
  }
}

parcel run_to_outcome(incoming_call& call) {
  writer out(delivery::once);
  run_to_outcome(call, out);
  return out.take();
}

void run_request(parcel request, writer& out) {
  try {
    incoming_call call(std::move(request));
    run_to_outcome(call, out);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception&) {
    out.clear();
    encode_exception_outcome(std::current_exception(), out);
  }
}

parcel run_request(parcel request) {
  writer out(delivery::once);
  run_request(std::move(request), out);
  return out.take();
}

parcel encode_value_outcome() {
  writer out;
  out.put(outcome_kind::value);
  return out.take();
}

void encode_exception_outcome(std::exception_ptr exception, writer& out) {
  out.put(is_retryable(exception) ? outcome_kind::retryable_exception : outcome_kind::exception);
  encode_exception(out, std::move(exception));
}

parcel encode_exception_outcome(std::exception_ptr exception) {
  writer out;
  encode_exception_outcome(std::move(exception), out);
  return out.take();
}

bool outcome_failed(std::span<const std::byte> outcome) noexcept {
  return outcome.empty() || outcome[0] != static_cast<std::byte>(outcome_kind::value);
}

bool outcome_retryable(const parcel& outcome) noexcept {
  const auto bytes = outcome.view();
  return !bytes.empty() && bytes[0] == static_cast<std::byte>(outcome_kind::retryable_exception);
}

void open_outcome(reader& in, const std::string& worker) {
  switch (in.take<outcome_kind>()) {
    case outcome_kind::value:
      return;
    case outcome_kind::exception:
    case outcome_kind::retryable_exception: {
      const auto exception = decode_exception(in, worker);
      in.finish();
      std::rethrow_exception(exception);
    }
  }
  throw decode_error("kin: damaged outcome: neither a value nor an exception");
}

std::exception_ptr outcome_exception(parcel&& outcome, const std::string& worker) {
  parcel owned = std::move(outcome);
  reader in(owned);
  try {
    open_outcome(in, worker);
    return nullptr;
  } catch (...) {
    return std::current_exception();
  }
}

}  // namespace kin::detail
