// SPDX-License-Identifier: BSL-1.0
// worker: see the header.
#include "pool/worker.hpp"

#include <optional>

#include <kin/wire/call.hpp>
#include <kin/wire/incoming_call.hpp>
#include <kin/wire/outcome.hpp>

#include "os/memory_use.hpp"
#include "process/bootstrap.hpp"

namespace kin::detail {
namespace {

void answer(channel& link, parcel outcome) {
  const std::uint64_t memory = os::peak_resident_memory();
  const auto* bytes = reinterpret_cast<const std::byte*>(&memory);
  outcome.bytes.insert(outcome.bytes.end(), bytes, bytes + sizeof memory);
  link.send(outcome_frame, outcome.bytes, outcome.fds);
}

}  // namespace

void pool_worker_main(bool has_initializer) {
  channel& link = link_to_parent();
  try {
    if (has_initializer) {
      auto request = link.take_any();
      if (!request) return;
      parcel outcome = run_request(std::move(*request));
      if (outcome_failed(outcome)) {
        answer(link, std::move(outcome));
        return;
      }
    }
    link.send(ready_frame, {});
    while (auto request = link.take_any()) {
      parcel outcome = run_request(std::move(*request));
      request.reset();
      answer(link, std::move(outcome));
    }
  } catch (const closed_error&) {
    // The pool is gone, and with it whoever wanted the answer.
  }
}

}  // namespace kin::detail
