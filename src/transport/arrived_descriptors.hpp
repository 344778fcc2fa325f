// SPDX-License-Identifier: BSL-1.0
// arrived_descriptors: descriptors that are out of the socket and in no message yet. With each batch of them a note
// comes: where in the ring their message begins, at or behind. A sender that dies between the two leaves descriptors
// that are nobody's, before those of the message that comes in its place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <kin/os/unique_fd.hpp>

namespace kin::detail {

/// Six bits in each byte, the lowest first; the first byte is marked. No byte is 0, as those are that ring.
using descriptor_note = std::array<std::byte, 10>;
descriptor_note note_of(std::uint64_t position) noexcept;
/// Where among bytes of the socket a note begins, or their number; and what it says, if it is there whole.
struct noted {
  std::size_t at = 0;
  std::optional<std::uint64_t> position;
};
noted find_note(std::span<const std::byte> bytes) noexcept;

class arrived_descriptors {
 public:
  /// To receive into; then note() says which bytes came with them.
  [[nodiscard]] std::vector<unique_fd>& incoming() noexcept { return descriptors_; }
  void note(std::span<const std::byte> bytes);
  /// The last bytes were a part of a note: the rest is next.
  [[nodiscard]] bool note_is_cut() const noexcept { return missing_ != 0; }
  /// This process had no room for all of the batch that begins with number `first`: none of them is kept, and one that
  /// is empty stands for them.
  void lose_from(std::size_t first);
  void add(std::uint64_t position, unique_fd one);

  /// Whether all of the message at `position` has come, because something of a later one has.
  [[nodiscard]] bool has_later_than(std::uint64_t position) const noexcept {
    return !positions_.empty() && positions_.back() > position;
  }
  enum class found { all, too_few, lost };
  /// Moves the descriptors of the message that begins there to `to`, if they are all here; what came before them is
  /// closed.
  found take(std::uint64_t position, std::size_t wanted, std::vector<unique_fd>& to);
  /// Closes what belongs to no message any more: all before that position has been read.
  void drop_before(std::uint64_t position);

  [[nodiscard]] bool empty() const noexcept { return descriptors_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return descriptors_.size(); }
  [[nodiscard]] const unique_fd& operator[](std::size_t n) const { return descriptors_[n]; }
  [[nodiscard]] std::uint64_t position(std::size_t n) const { return n < positions_.size() ? positions_[n] : noted_; }

 private:
  // How many are noted to begin before `position`, or there.
  [[nodiscard]] std::size_t up_to(std::uint64_t position) const noexcept;
  void erase_first(std::size_t n);

  std::vector<unique_fd> descriptors_;
  std::vector<std::uint64_t> positions_;  // of each
  std::uint64_t noted_ = 0;
  unsigned missing_ = 0;  // bytes of the note
};

}  // namespace kin::detail
