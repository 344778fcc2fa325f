// SPDX-License-Identifier: BSL-1.0
// ring_blocks: the blocks of one direction of a pipe as one process sees them: a sender lends them, a receiver shows
// them. They are made when first needed, grow, and stay mapped for as long as the pipe is used.
//
// Invariant: a block that this process has a claim on (`busy`) is neither unmapped nor lent again, whatever the other
// side writes into the table.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include <kin/transport/block_claim.hpp>

#include "memory/block_table.hpp"
#include "transport/ring_memory.hpp"

namespace kin::detail {

class ring_blocks : public std::enable_shared_from_this<ring_blocks> {
 public:
  enum class role { sender, receiver };
  ring_blocks(std::shared_ptr<const ring_memory> memory, unsigned direction, role mine) noexcept;

  /// Smaller messages are cheaper copied.
  static constexpr std::size_t least_size = 8192;

  /// For a sender: a free block of at least `size` bytes; made or grown if there is memory. Empty claim: none.
  block_claim lend(std::size_t size);
  /// For a receiver: the block of a message of `size` bytes. Throws decode_error for what no sender sends, os_error.
  block_claim show(std::uint64_t number, std::uint64_t size);

 private:
  friend class block_claim;
  void hand_over(unsigned number) noexcept;
  void give_back(unsigned number) noexcept;
  [[nodiscard]] bool is_free(unsigned number) const noexcept;
  void look_who_is_back() noexcept;
  bool provide(unsigned number, std::size_t size);
  std::span<std::byte> map(unsigned number, std::size_t size);

  struct block {
    os::mapping map;
    std::uint64_t offset = 0;
    std::uint64_t known_returned = 0;
    std::atomic<bool> busy{false};
  };
  std::shared_ptr<const ring_memory> memory_;
  block_table& table_;
  std::array<block, block_table::blocks> blocks_;
  role role_;
};

}  // namespace kin::detail
