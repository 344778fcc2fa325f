// SPDX-License-Identifier: BSL-1.0
// ring_ends: one end of a pipe: the sending side of one byte ring, the receiving side of the other, or one of them. And
// its journey to another process.
//
// Each direction has a socket pair of its own, so that whoever waits for a message and whoever waits for room never
// take each other's rings. An end that has come from another process maps its memory at its first use: whoever decodes
// it cannot be told "no memory" without losing it.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <kin/wire/codec.hpp>

#include "transport/ring_receiver.hpp"
#include "transport/ring_sender.hpp"

namespace kin::detail {

class ring_ends {
 public:
  enum class directions { one, both };
  using pair = std::pair<std::unique_ptr<ring_ends>, std::unique_ptr<ring_ends>>;
  /// Two connected ends; with one direction the first only sends. Throws os_error.
  static pair make(directions how);

  void pass(writer& to) const;
  /// Throws decode_error.
  static std::unique_ptr<ring_ends> passed(reader& from, bool receives, bool sends);

  [[nodiscard]] bool sends() const noexcept { return sends_; }
  [[nodiscard]] bool receives() const noexcept { return receives_; }
  /// These throw os_error and decode_error at the first use of an end that came from another process.
  /// Two threads may be the first, one for each direction.
  ring_sender& sender() {
    if (!attached_.load(std::memory_order_acquire)) [[unlikely]]
      attach();
    return *sender_;
  }
  ring_receiver& receiver() {
    if (!attached_.load(std::memory_order_acquire)) [[unlikely]]
      attach();
    return *receiver_;
  }
  /// The end for both sides, and for copies of this one. Whoever is at work in it hears of it.
  void break_off() noexcept;
  [[nodiscard]] const std::shared_ptr<const ring_memory>& memory() const noexcept { return memory_; }

 private:
  void attach();

  struct luggage {
    ring_memory::descriptors memory;
    unique_fd sending, receiving;
    arrived_descriptors arrived;
  };
  std::mutex attaching_;
  std::atomic<bool> attached_{false};
  luggage luggage_;  // what attach() turns into the rest
  std::shared_ptr<const ring_memory> memory_;
  std::optional<ring_sender> sender_;
  std::optional<ring_receiver> receiver_;
  unsigned out_ = 0, in_ = 0;  // the directions' numbers
  bool sends_ = false, receives_ = false;
};

}  // namespace kin::detail
