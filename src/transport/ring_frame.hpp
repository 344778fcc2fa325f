// SPDX-License-Identifier: BSL-1.0
// ring_frame: how a message lies in a byte ring: a word of sizes, the signature, the bytes padded to 8. And the values
// of a reader's bell.
#pragma once

#include <cstddef>
#include <cstdint>

#include <kin/core/error.hpp>

namespace kin::detail {

/// size 43 | descriptors 20.
inline constexpr int frame_size_bits = 43;
inline constexpr int frame_descriptor_bits = 20;

inline std::uint64_t frame_word(std::uint64_t size, std::uint64_t descriptors) {
  if (size >> frame_size_bits != 0 || descriptors >> frame_descriptor_bits != 0)
    throw encode_error("kin: a message of this size, or with this many file descriptors, is not possible");
  return size | descriptors << frame_size_bits;
}
constexpr std::uint64_t size_of_frame(std::uint64_t word) noexcept {
  return word & ((std::uint64_t{1} << frame_size_bits) - 1);
}
constexpr std::uint32_t descriptors_of_frame(std::uint64_t word) noexcept {
  return static_cast<std::uint32_t>(word >> frame_size_bits & ((1u << frame_descriptor_bits) - 1));
}

/// Somebody sleeps, or has shown a poller that nothing is there.
inline constexpr std::uint32_t bell_asleep = 1;
/// A writer has taken the bell and is about to send the byte. Found by another writer: that one died on the way.
inline constexpr std::uint32_t bell_ringing = 4;
/// An end of the reading side has been closed; perhaps it was the last.
inline constexpr std::uint32_t bell_closed = 2;

}  // namespace kin::detail
