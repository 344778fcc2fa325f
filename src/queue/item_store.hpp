// SPDX-License-Identifier: BSL-1.0
// item_store: items as bytes in a memory file, first in first out; the file grows and its memory is used again.
// The inside of line_queue, which holds the header's lock around every call here. Knows no processes and no waiting.
//
// Invariant: nothing read from the file is believed: an offset is checked before it is followed, every walk is bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <kin/os/unique_fd.hpp>

#include "os/memory_file.hpp"
#include "queue/line_layout.hpp"

namespace kin::detail {

class item_store {
 public:
  /// A new file. Throws os_error.
  item_store(std::uint64_t signature, std::size_t capacity, bool with_line);
  /// A file that came from another process. Throws decode_error when it is none of ours.
  item_store(unique_fd file, std::uint64_t signature);

  [[nodiscard]] kin::detail::header& header() const noexcept { return *header_; }
  [[nodiscard]] int file() const noexcept { return file_.get(); }

  /// A copy of the committed ledger, to be changed and committed.
  [[nodiscard]] ledger read() const noexcept;
  void commit(const ledger& draft) noexcept;

  /// Appends an item to the draft. Throws os_error (no memory, RLIMIT_FSIZE), with the draft unusable.
  void append(ledger& draft, std::span<const std::byte> bytes, std::uint64_t tag);
  /// The first item's tag and bytes. Throws decode_error.
  struct item {
    std::uint64_t tag;
    std::vector<std::byte> bytes;
  };
  [[nodiscard]] item first(const ledger& draft);
  /// Takes the first item out of the draft; its memory is free.
  void remove_first(ledger& draft);
  /// The tag of the first item that has one; 0: none.
  [[nodiscard]] std::uint64_t first_tag(const ledger& draft);

 private:
  struct shape;
  static shape shape_of(std::uint64_t size) noexcept;
  std::uint64_t allocate(ledger& draft, const shape& needed);
  void reach(std::uint64_t end);
  void make_room(std::uint64_t end);
  [[nodiscard]] extent& at(const ledger& draft, std::uint64_t offset, std::size_t size);
  [[nodiscard]] shape checked_shape(const ledger& draft, std::uint64_t size) const;

  unique_fd file_;
  os::mapping page_;
  kin::detail::header* header_ = nullptr;
  std::unique_ptr<os::mapping> all_;  // the whole file as far as we have seen it; replaced, never changed
};

}  // namespace kin::detail
