// SPDX-License-Identifier: BSL-1.0
// parcel: what crosses between two processes: bytes, and the file descriptors that the bytes refer to by number.
// Made by a writer, moved by transport/, taken apart by a reader. Who sends its bytes says so: arrived().
// What it carries stays until it is destroyed: a lent handle may be decoded for as long as that.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <kin/os/unique_fd.hpp>
#include <kin/wire/delivery.hpp>

namespace kin::detail {

using passengers = std::vector<std::unique_ptr<passenger>>;

/// Owns its descriptors: a parcel that is dropped closes them.
struct parcel {
  std::vector<std::byte> bytes;
  std::vector<unique_fd> fds;
  passengers carried{};

  /// Its bytes are with the receiver, or are about to be decoded here.
  void arrived() noexcept {
    for (const auto& each : carried) each->arrive();
  }
};

}  // namespace kin::detail
