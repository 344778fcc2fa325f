// SPDX-License-Identifier: BSL-1.0
// start_method: how a child process comes to be. Tags of distinct types, so that the rules for callables can differ.
#pragma once

#include <string_view>

namespace kin {

namespace start {
struct spawn_t {
  explicit spawn_t() = default;
};
struct forkserver_t {
  explicit forkserver_t() = default;
};
struct fork_t {
  explicit fork_t() = default;
};
/// A fresh image of the same program: the default. Independent of the parent's size, threads and locks.
inline constexpr spawn_t spawn{};
/// A copy of a fresh image: a server process, this program started again at the first use and asleep in kin::init(),
/// keeps copies of itself ready. As independent as spawn, and nearly as fast as a fork of a small process.
inline constexpr forkserver_t forkserver{};
/// A copy of this process, made in the calling thread: takes any closure. Throws start_error while threads that kin
/// did not start exist, because a lock they hold would stay locked for ever in the child.
inline constexpr fork_t fork{};
}  // namespace start

/// One of the start methods as a value, for options.
class start_method {
 public:
  enum class kind : unsigned char { spawn, forkserver, fork };
  constexpr start_method() noexcept = default;
  constexpr start_method(start::spawn_t) noexcept : kind_(kind::spawn) {}  // NOLINT(google-explicit-constructor)
  constexpr start_method(start::forkserver_t) noexcept : kind_(kind::forkserver) {}  // NOLINT
  constexpr start_method(start::fork_t) noexcept : kind_(kind::fork) {}  // NOLINT(google-explicit-constructor)
  [[nodiscard]] constexpr kind which() const noexcept { return kind_; }
  [[nodiscard]] constexpr std::string_view name() const noexcept {
    return kind_ == kind::fork ? "fork" : kind_ == kind::forkserver ? "forkserver" : "spawn";
  }
  friend constexpr bool operator==(start_method, start_method) noexcept = default;

 private:
  kind kind_ = kind::spawn;
};

}  // namespace kin
