// SPDX-License-Identifier: BSL-1.0
// parcel: what crosses between two processes: bytes, and the file descriptors that the bytes refer to by number.
// Made by a writer, moved by transport/, taken apart by a reader.
#pragma once

#include <cstddef>
#include <vector>

#include <kin/os/unique_fd.hpp>

namespace kin::detail {

/// Owns its descriptors: a parcel that is dropped closes them.
struct parcel {
  std::vector<std::byte> bytes;
  std::vector<unique_fd> fds;
};

}  // namespace kin::detail
