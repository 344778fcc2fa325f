// SPDX-License-Identifier: BSL-1.0
// ring_frame: how a frame lies in a byte ring: one word that says what it is, perhaps a second word, bytes padded to 8.
// The word is what a reader waits for: it is written last, and 0 until then.
#pragma once

#include <cstddef>
#include <cstdint>

#include <kin/core/error.hpp>

namespace kin::detail {

enum class frame_kind : std::uint32_t {
  message,       ///< second word: its type's signature; then its bytes
  raw_message,   ///< its bytes; no second word
  announcement,  ///< of a message in pieces: its size; second word: its signature
  piece,         ///< the next bytes of the announced message
  block,         ///< a raw message of this size in a block; second word: the block's number
  next_level,    ///< the stream goes on in the ring's next area
};

inline constexpr int frame_size_bits = 42;
inline constexpr int frame_descriptor_bits = 18;
inline constexpr std::uint32_t frame_present = 8;

/// size 42 | descriptors 18 | kind 3 | present 1. Throws encode_error for what does not fit.
inline std::uint64_t frame_word(frame_kind kind, std::uint64_t size, std::uint64_t descriptors = 0) {
  if (size >> frame_size_bits != 0 || descriptors >> frame_descriptor_bits != 0) [[unlikely]]
    throw encode_error("kin: a message of this size, or with this many file descriptors, is not possible");
  return size | descriptors << frame_size_bits |
         std::uint64_t{static_cast<std::uint32_t>(kind) | frame_present} << (frame_size_bits + frame_descriptor_bits);
}
constexpr std::uint64_t size_of_frame(std::uint64_t word) noexcept {
  return word & ((std::uint64_t{1} << frame_size_bits) - 1);
}
constexpr std::uint32_t descriptors_of_frame(std::uint64_t word) noexcept {
  return static_cast<std::uint32_t>(word >> frame_size_bits & ((1u << frame_descriptor_bits) - 1));
}
/// Perhaps no kind that exists.
constexpr std::uint32_t kind_of_frame(std::uint64_t word) noexcept {
  return static_cast<std::uint32_t>(word >> (frame_size_bits + frame_descriptor_bits)) ^ frame_present;
}
constexpr bool is_frame(std::uint64_t word, frame_kind kind) noexcept {
  return kind_of_frame(word) == static_cast<std::uint32_t>(kind);
}

constexpr std::uint64_t padded(std::uint64_t size) noexcept { return (size + 7) & ~std::uint64_t{7}; }

/// Before a frame's bytes.
constexpr std::size_t words_of_frame(std::uint64_t word) noexcept {
  return is_frame(word, frame_kind::message) || is_frame(word, frame_kind::announcement) ||
                 is_frame(word, frame_kind::block)
             ? 16
             : 8;
}
/// The bytes that lie in the ring behind the words.
constexpr std::uint64_t bytes_of_frame(std::uint64_t word) noexcept {
  return is_frame(word, frame_kind::announcement) || is_frame(word, frame_kind::block) ||
                 is_frame(word, frame_kind::next_level)
             ? 0
             : size_of_frame(word);
}

inline constexpr std::uint64_t cache_line = 64;
/// Where the frame behind a frame at `position` begins. A small one like it shall not straddle two cache lines, each of
/// which is fetched from the other processor.
constexpr std::uint64_t end_of_frame(std::uint64_t position, std::uint64_t word) noexcept {
  const std::uint64_t whole = words_of_frame(word) + padded(bytes_of_frame(word));
  const std::uint64_t end = position + whole, left_in_line = -end & (cache_line - 1);
  return whole <= cache_line && left_in_line < whole ? end + left_in_line : end;
}

}  // namespace kin::detail
