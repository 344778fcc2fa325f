// SPDX-License-Identifier: BSL-1.0
// parcel: what crosses between two processes: bytes, and the file descriptors that the bytes refer to by number.
// Made by a writer, moved by transport/, taken apart by a reader. Who sends its bytes says so: arrived().
// What it carries stays until it is destroyed: a lent handle may be decoded for as long as that. The bytes of a large
// one may lie in a block of shared memory: view().
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include <kin/os/unique_fd.hpp>
#include <kin/wire/delivery.hpp>
#include <kin/wire/memory_block.hpp>

namespace kin::detail {

using passengers = std::vector<std::unique_ptr<passenger>>;

/// Owns its descriptors: a parcel that is dropped closes them.
struct parcel {
  std::vector<std::byte> bytes;
  std::vector<unique_fd> fds;
  passengers carried{};
  /// If not null: `bytes` is empty, and the first in_block bytes there are meant.
  std::shared_ptr<memory_block> block{};
  std::size_t in_block = 0;

  [[nodiscard]] std::span<const std::byte> view() const noexcept {
    return block ? std::span<const std::byte>(block->room().first(in_block)) : std::span<const std::byte>(bytes);
  }

  /// Copies the bytes out of the block, if they lie in one.
  void leave_block() {
    if (!block) return;
    const auto there = view();
    bytes.assign(there.begin(), there.end());
    block.reset();
  }

  /// Its bytes are with the receiver, or are about to be decoded here.
  void arrived() noexcept {
    for (const auto& each : carried) each->arrive();
  }
};

}  // namespace kin::detail
