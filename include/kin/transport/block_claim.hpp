// SPDX-License-Identifier: BSL-1.0
// block_claim: a block of a pipe's shared memory while somebody builds a message in it, or reads one where it was
// built.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include <kin/core/export.hpp>

namespace kin::detail {

class ring_blocks;

/// Move-only; its destructor gives the block back, from any thread. May outlive the connection.
class KIN_EXPORT block_claim {
 public:
  block_claim() noexcept = default;
  block_claim(std::shared_ptr<ring_blocks> of, unsigned number, std::span<std::byte> bytes) noexcept
      : of_(std::move(of)), bytes_(bytes), number_(number) {}
  block_claim(block_claim&& other) noexcept
      : of_(std::move(other.of_)), bytes_(std::exchange(other.bytes_, {})), number_(other.number_) {}
  block_claim& operator=(block_claim&& other) noexcept {
    std::swap(of_, other.of_);
    std::swap(bytes_, other.bytes_);
    std::swap(number_, other.number_);
    return *this;
  }
  ~block_claim() {
    if (of_) give_back();
  }

  explicit operator bool() const noexcept { return of_ != nullptr; }
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] unsigned number() const noexcept { return number_; }
  [[nodiscard]] const ring_blocks* of() const noexcept { return of_.get(); }
  /// The block has been sent: it is the receiver's.
  void hand_over() noexcept;

 private:
  void give_back() noexcept;

  std::shared_ptr<ring_blocks> of_;
  std::span<std::byte> bytes_;
  unsigned number_ = 0;
};

}  // namespace kin::detail
