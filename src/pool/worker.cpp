// SPDX-License-Identifier: BSL-1.0
// worker: see the header.
#include "pool/worker.hpp"

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
#include "pool/task_context.hpp"
#include "pool/worker_pool.hpp"
#include "process/bootstrap.hpp"

namespace kin::detail {
namespace {

void send_outcome(worker_pool& link, parcel outcome, const worker_setup& setup) {
  const std::uint64_t memory = setup.tells_memory ? os::resident_memory() : 0;
  const auto* bytes = reinterpret_cast<const std::byte*>(&memory);
  outcome.bytes.insert(outcome.bytes.end(), bytes, bytes + sizeof memory);
  link.send(outcome_frame, outcome.bytes, outcome.fds);
}

void answer(worker_pool& link, parcel outcome, const worker_setup& setup) {
  try {
    send_outcome(link, std::move(outcome), setup);
  } catch (const os_error& e) {
    if (link_to_parent().closed()) throw;
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

parcel run_limited(parcel request, std::uint64_t limit) {
  if (limit == 0) return run_request(std::move(request));
  const os::memory_limit while_it_runs(limit);
  return run_request(std::move(request));
}

}  // namespace

void pool_worker_main(worker_setup setup) {
  const auto its_pool = std::make_shared<worker_pool>(link_to_parent(), setup.pool_size);
  worker_pool& link = *its_pool;
  const int self = os::own_pid();
  try {
    if (setup.has_initializer) {
      task_terms none;
      auto request = link.take_task(none);
      if (!request) return;
      parcel outcome = run_request(std::move(*request));
      leave_if_copy(self);
      if (outcome_failed(outcome)) {
        answer(link, std::move(outcome), setup);
        return;
      }
    }
    set_process_pool(its_pool);
    link.send(ready_frame, {});
    task_terms terms;
    while (auto request = link.take_task(terms)) {
      link.begin_task(terms);
      parcel outcome = run_limited(std::move(*request), terms.memory_limit);
      leave_if_copy(self);
      answer(link, std::move(outcome), setup);
    }
  } catch (const closed_error&) {
    // The pool is gone, and with it whoever wanted the answer.
  }
}

}  // namespace kin::detail
