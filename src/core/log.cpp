// SPDX-License-Identifier: BSL-1.0
// log: see the header.
#include <kin/core/log.hpp>

#include <atomic>
#include <mutex>

namespace kin {
namespace {

struct log_state {
  std::mutex mutex;
  std::function<void(const log_record&)> sink;
};
// Never destroyed: threads of kin may log while static objects are being destroyed.
log_state& state() {
  static log_state* const the = new log_state;
  return *the;
}
std::atomic<bool> wanted{false};

}  // namespace

void set_log(std::function<void(const log_record&)> sink) {
  const std::lock_guard hold(state().mutex);
  wanted = static_cast<bool>(sink);
  state().sink = std::move(sink);
}

void detail::log(log_record::severity level, const std::string& text) noexcept {
  if (!wanted.load(std::memory_order_relaxed)) return;
  try {
    const std::lock_guard hold(state().mutex);
    if (state().sink) state().sink({level, text});
  } catch (...) {
    // A log that fails must not change what it tells of.
  }
}

}  // namespace kin
