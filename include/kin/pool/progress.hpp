// SPDX-License-Identifier: BSL-1.0
// progress: how far a map has come, told to whoever wants to know.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

#include <kin/core/export.hpp>

namespace kin {

/// Called with (items done, items in all) as items end, by map in the calling thread, by map_async on the
/// pool's callback thread; nothing when default-made.
class progress {
 public:
  progress() = default;
  template <class F>
    requires std::is_invocable_v<F&, std::size_t, std::size_t>
  progress(F f) : tell_(std::move(f)) {}  // NOLINT(google-explicit-constructor): a callback is a progress
  void operator()(std::size_t done, std::size_t all) const {
    if (tell_) tell_(done, all);
  }
  explicit operator bool() const noexcept { return static_cast<bool>(tell_); }

 private:
  std::function<void(std::size_t, std::size_t)> tell_;
};

/// A bar on stderr with the rate and the time left; shows nothing when stderr is no terminal.
[[nodiscard]] KIN_EXPORT progress progress_bar(std::string title = {});

}  // namespace kin
