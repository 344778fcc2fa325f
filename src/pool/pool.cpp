// SPDX-License-Identifier: BSL-1.0
// pool, thread_pool and what their handles have in common: see the headers.
#include <kin/pool/pool.hpp>

#include <algorithm>
#include <exception>
#include <stdexcept>

#include <kin/pool/thread_pool.hpp>

#include "os/process_id.hpp"

namespace kin {

pool::pool(pool_options options) : pool_verbs(detail::make_process_pool(std::move(options))) {}
pool::pool(of_task its) noexcept : pool_verbs(std::move(its.core), borrowed{}) {}
thread_pool::thread_pool(pool_options options) : pool_verbs(detail::make_thread_pool(std::move(options))) {}

namespace detail {

pool_handle::pool_handle(std::shared_ptr<task_pool> core)
    : core_(std::move(core)), unwinding_(std::uncaught_exceptions()), owner_(os::own_pid()) {}
pool_handle::pool_handle(std::shared_ptr<task_pool> core, borrowed) noexcept : core_(std::move(core)) {}

// The fewest, as for a kin::process: one that was made beside an exception outlives it by being moved.
pool_handle::pool_handle(pool_handle&& other) noexcept
    : core_(std::move(other.core_)),
      unwinding_(std::min(other.unwinding_, std::uncaught_exceptions())),
      owner_(other.owner_) {}

pool_handle& pool_handle::operator=(pool_handle&& other) noexcept {
  if (this != &other) {
    finish();
    core_ = std::move(other.core_);
    unwinding_ = std::min(other.unwinding_, std::uncaught_exceptions());
    owner_ = other.owner_;
  }
  return *this;
}

pool_handle::~pool_handle() { finish(); }

const std::shared_ptr<task_pool>& pool_handle::shared_core() const {
  if (!core_) throw std::logic_error("kin: this pool object was moved from");
  return core_;
}
task_pool& pool_handle::core() const { return *shared_core(); }

void pool_handle::finish() noexcept {
  if (core_ && os::own_pid() == owner_) {
    try {
      // The handle is good until then: callbacks may use it.
      core_->finish(std::uncaught_exceptions() > unwinding_);
    } catch (...) {
      // Without memory, the workers end with this process.
    }
  }
  core_.reset();
}

// CPython's choice: four chunks a worker, so that a slow chunk does not leave the others idle for long.
std::size_t pool_handle::chunk_size(std::size_t items, const map_options& options) const {
  if (options.chunk > 0) return std::min<std::size_t>(options.chunk, std::max<std::size_t>(items, 1));
  const std::size_t chunks = (size() + (options.caller_takes_part ? 1 : 0)) * 4;
  return items <= chunks ? 1 : (items + chunks - 1) / chunks;
}

void pool_handle::check_lengths(std::size_t in, std::size_t to, const void* from_data, const void* to_data,
                                const map_options& options) {
  if (in != to)
    throw std::invalid_argument("kin: a map of an array of " + std::to_string(in) + " elements into one of " +
                                std::to_string(to));
  if (from_data == to_data && options.task.retries > 0)
    throw std::invalid_argument(
        "kin: a map of an array into itself cannot have retries: what a lost worker has changed is no input any more");
}

}  // namespace detail
}  // namespace kin
