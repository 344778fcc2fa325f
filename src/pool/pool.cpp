// SPDX-License-Identifier: BSL-1.0
// pool: see the header.
#include <kin/pool/pool.hpp>

#include <exception>
#include <stdexcept>

#include "os/process_id.hpp"

namespace kin {

pool::pool(pool_options options)
    : core_(detail::make_process_pool(std::move(options))),
      unwinding_(std::uncaught_exceptions()),
      owner_(os::own_pid()) {}

pool& pool::operator=(pool&& other) noexcept {
  if (this != &other) {
    finish();
    core_ = std::move(other.core_);
    unwinding_ = other.unwinding_;
    owner_ = other.owner_;
  }
  return *this;
}

pool::~pool() { finish(); }

detail::task_pool& pool::core() const {
  if (!core_) throw std::logic_error("kin: this kin::pool object was moved from");
  return *core_;
}

void pool::finish() noexcept {
  const auto core = std::move(core_);
  if (!core || os::own_pid() != owner_) return;
  try {
    if (std::uncaught_exceptions() > unwinding_)
      core->terminate({});
    else
      core->close();
    core->join();
  } catch (...) {
    // Only without memory: the workers end with this process.
  }
}

// CPython's choice: four chunks a worker, so that a slow chunk does not leave the others idle for long.
std::size_t pool::chunk_size(std::size_t items, const map_options& options) const {
  if (options.chunk > 0) return options.chunk;
  const std::size_t chunks = (size() + (options.caller_takes_part ? 1 : 0)) * 4;
  return items <= chunks ? 1 : (items + chunks - 1) / chunks;
}

}  // namespace kin
