// SPDX-License-Identifier: BSL-1.0
// log: see the header.
#include <kin/core/log.hpp>

#include <atomic>
#include <mutex>
#include <new>

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
thread_local constinit bool in_sink = false;

}  // namespace

void set_log(std::function<void(const log_record&)> sink) {
  const std::lock_guard hold(state().mutex);
  wanted = static_cast<bool>(sink);
  state().sink = std::move(sink);
}

void detail::log(log_record::severity level, const std::string& text) noexcept {
  if (!log_is_wanted() || in_sink) return;
  in_sink = true;
  try {
    const std::lock_guard hold(state().mutex);
    if (state().sink) state().sink({level, text});
  } catch (...) {
    // A log that fails must not change what it tells of.
  }
  in_sink = false;
}

bool detail::log_is_wanted() noexcept { return wanted.load(std::memory_order_relaxed); }

// Another thread of the parent may have been in its sink. So what the copy has of both is not touched, not even
// destroyed, and begun anew in its place.
void detail::forget_log() noexcept {
  if (!log_is_wanted()) return;
  wanted = false;
  in_sink = false;
  new (&state()) log_state;
}

}  // namespace kin
