// SPDX-License-Identifier: BSL-1.0
// worker: see the header.
#include "pool/worker.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include <kin/core/error.hpp>
#include <kin/wire/call.hpp>
#include <kin/wire/incoming_call.hpp>
#include <kin/wire/outcome.hpp>

#include "os/memory_limit.hpp"
#include "os/memory_use.hpp"
#include "os/own_image.hpp"
#include "os/process_id.hpp"
#include "process/bootstrap.hpp"

namespace kin::detail {
namespace {

void send_outcome(channel& link, parcel outcome, const worker_setup& setup) {
  const std::uint64_t memory = setup.tells_memory ? os::resident_memory() : 0;
  const auto* bytes = reinterpret_cast<const std::byte*>(&memory);
  outcome.bytes.insert(outcome.bytes.end(), bytes, bytes + sizeof memory);
  link.send(outcome_frame, outcome.bytes, outcome.fds);
}

void answer(channel& link, parcel outcome, const worker_setup& setup) {
  try {
    send_outcome(link, std::move(outcome), setup);
  } catch (const os_error& e) {
    if (link.closed()) throw;
    // Its descriptors could not be sent, and nothing has been: that is this task's failure, not this worker's.
    send_outcome(link,
                 encode_exception_outcome(std::make_exception_ptr(
                     encode_error("kin: the result could not be sent: " + std::string(e.what())))),
                 setup);
  }
}

// A task may fork and let the copy return: the channel and what comes from it are not the copy's.
void leave_if_copy(int worker) {
  if (os::own_pid() != worker) os::leave_forked_image(0);
}

std::uint64_t decode_limit(const parcel& message) {
  std::uint64_t limit = 0;
  std::memcpy(&limit, message.bytes.data(), std::min(sizeof limit, message.bytes.size()));
  return limit;
}

// The next task, with the memory limit that may precede it; empty when the pool wants no more.
std::optional<parcel> take_task(channel& link, std::uint64_t& limit) {
  limit = 0;
  try {
    while (link.next().signature == limit_frame) limit = decode_limit(link.take());
    return link.take();
  } catch (const closed_error&) {
    return std::nullopt;
  }
}

parcel run_limited(parcel request, std::uint64_t limit) {
  if (limit == 0) return run_request(std::move(request));
  const os::memory_limit while_it_runs(limit);
  return run_request(std::move(request));
}

}  // namespace

void pool_worker_main(worker_setup setup) {
  channel& link = link_to_parent();
  const int self = os::own_pid();
  try {
    if (setup.has_initializer) {
      auto request = link.take_any();
      if (!request) return;
      parcel outcome = run_request(std::move(*request));
      leave_if_copy(self);
      if (outcome_failed(outcome)) {
        answer(link, std::move(outcome), setup);
        return;
      }
    }
    link.send(ready_frame, {});
    std::uint64_t limit = 0;
    while (auto request = take_task(link, limit)) {
      parcel outcome = run_limited(std::move(*request), limit);
      leave_if_copy(self);
      answer(link, std::move(outcome), setup);
    }
  } catch (const closed_error&) {
    // The pool is gone, and with it whoever wanted the answer.
  }
}

}  // namespace kin::detail
