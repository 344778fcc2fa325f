// SPDX-License-Identifier: BSL-1.0
// memory_block: shared memory that a large message is written to at once, so that its receiver can decode it where it
// lies. Whose memory it is, and how the receiver learns of it, is the transport's matter (pool/block_store.hpp).
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include <kin/core/export.hpp>

namespace kin::detail {

/// Smaller messages are cheaper copied by a transport.
inline constexpr std::size_t least_block = std::size_t{128} << 10;

/// Its destructor gives the memory back, from any thread.
class KIN_EXPORT memory_block {
 public:
  memory_block() = default;
  memory_block(const memory_block&) = delete;
  memory_block& operator=(const memory_block&) = delete;
  virtual ~memory_block();
  /// All of it that is for messages.
  [[nodiscard]] virtual std::span<std::byte> room() const noexcept = 0;
};

class KIN_EXPORT block_source {
 public:
  /// Of at least so many bytes. Null: there is none to be had, and the message goes as others do.
  [[nodiscard]] virtual std::shared_ptr<memory_block> take(std::size_t bytes) noexcept = 0;

 protected:
  block_source() = default;
  block_source(const block_source&) = default;
  block_source& operator=(const block_source&) = default;
  ~block_source() = default;
};

}  // namespace kin::detail
