// SPDX-License-Identifier: BSL-1.0
// span_store: the root's book of large memory. A span is a run of whole pages that belongs to one object of the arena;
// it lies in one memory file with the others, so it costs no descriptor, or has a name and a file of its own.
//
// Invariant: spans in the common file do not overlap, and what no span has reads as zeros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include <kin/os/unique_fd.hpp>

#include "memory/name_tracker.hpp"
#include "os/named_memory.hpp"

namespace kin::detail {

/// The object that a span belongs to. A span whose owner is gone is freed.
struct span_owner {
  std::uint64_t offset, serial;
  friend bool operator==(const span_owner&, const span_owner&) = default;
};

class span_store {
 public:
  struct span {
    std::uint64_t number;
    span_owner owner;
    std::size_t offset, size;
    unique_fd file;                  ///< its own, if it has a name
    std::string name;                ///< to be removed with it; empty: nothing to remove
    os::memory_identity identity{};  ///< of the file, if it has a name to be removed
  };

  /// Pages not yet allocated, so that whoever asked does that, not the root. Throws os_error.
  const span& make(span_owner owner, std::size_t size);
  const span& make_named(span_owner owner, const std::string& name, std::size_t size);
  const span& open_named(span_owner owner, const std::string& name);
  /// Null: this owner has no such span.
  [[nodiscard]] const span* find(span_owner owner, std::uint64_t number) const;
  /// Frees the spans of `owner` but for `kept` (0: all).
  void keep_only(span_owner owner, std::uint64_t kept) noexcept;
  template <class Gone>
  void drop_if(Gone gone) noexcept {
    for (auto at = spans_.begin(); at != spans_.end();) at = gone(at->second.owner) ? drop(at) : std::next(at);
  }
  /// What lies in the common file is there.
  [[nodiscard]] int file(const span& s) const noexcept { return s.file ? s.file.get() : file_.get(); }
  /// Whose span has this name to be removed with it; null: nobody's.
  [[nodiscard]] const span_owner* owner_of(const std::string& name) const noexcept;
  /// Somebody has removed the name of one of these. Another may have it since then, and keeps it.
  void forget_name(const std::string& name) noexcept;
  /// The root ends.
  void remove_names() noexcept;
  /// In a forked copy: it is not the root, and removes nothing.
  void abandon() noexcept;

 private:
  using place = std::multimap<std::uint64_t, span>::iterator;
  place drop(place at) noexcept;
  void remove_name(const std::string& name, const os::memory_identity& identity) noexcept;
  const span& add(span s);
  void give_back(std::size_t offset, std::size_t size);

  name_tracker names_;
  unique_fd file_;
  std::size_t end_ = 0;
  std::uint64_t last_number_ = 0;
  std::map<std::size_t, std::size_t> free_;   // offset → size, no two adjacent
  std::multimap<std::uint64_t, span> spans_;  // by the owner's offset
};

}  // namespace kin::detail
