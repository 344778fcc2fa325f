// SPDX-License-Identifier: BSL-1.0
// hold_book: the root's side of all lists of holds (memory/hold_list.hpp). They lie in a memory file of their own, of
// which each member maps its own parts alone, writable; those of the root are its own memory. Guarded by the
// supervisor's lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include <kin/os/unique_fd.hpp>

#include "memory/hold_list.hpp"
#include "os/memory_file.hpp"

namespace kin::detail {

class hold_book {
 public:
  using words = std::span<std::atomic<hold_word>>;
  static constexpr std::size_t window_size = std::size_t{1} << 20;

  /// Throws os_error.
  hold_book();

  struct part {
    std::size_t offset, size;  ///< bytes of the file
  };
  /// More words for a member, all 0: `count` of them, a power of two, at least a page and at most a window. Throws
  /// os_error.
  part give(std::uint32_t member, std::size_t count);
  /// The same for the root itself.
  words give_own(std::uint32_t root, std::size_t count);
  [[nodiscard]] int file() const noexcept { return file_.get(); }

  /// The member has ended: what it held, or had given up lately. Its words are another's from now on. Throws bad_alloc:
  /// then nothing has changed.
  std::vector<hold_word> end(std::uint32_t member);
  /// visit(word) for what living members hold.
  template <class Visit>
  void each(Visit visit) const {
    for (const auto& [member, its] : lists_)
      for (const words& w : its.parts)
        for (const std::atomic<hold_word>& one : w)
          if (const hold_word word = one.load(std::memory_order_acquire); word != 0 && (word & given_up) == 0)
            visit(word);
  }
  /// Words in all lists, used or not.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// In a forked copy of the root.
  void abandon() noexcept { file_.reset(); }

 private:
  struct list {
    std::vector<words> parts;
  };
  std::byte* at(std::size_t offset);

  unique_fd file_;
  std::size_t end_ = 0;
  std::vector<os::mapping> windows_;
  std::map<std::size_t, std::vector<std::size_t>> free_;  // by bytes
  std::map<std::uint32_t, list> lists_;
  std::map<const std::atomic<hold_word>*, std::size_t> places_;  // of parts in the file
  std::size_t size_ = 0;
};

}  // namespace kin::detail
