// SPDX-License-Identifier: BSL-1.0
// unused_objects: finds out which objects nobody has a handle of any more: who was the last to give one up cannot know
// that it was. In the root, guarded by the supervisor's lock. The order of the steps is what docs/decisions/0012 argues
// about.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "memory/arena.hpp"
#include "memory/hold_book.hpp"

namespace kin::detail {

class unused_objects {
 public:
  /// Nobody may have handles of these any more; to be looked at in the next look(). Throws bad_alloc.
  void suspect(std::span<const hold_word> words);
  /// How many are to be looked at. Each look goes over all lists of holds.
  [[nodiscard]] std::size_t suspects() const noexcept { return suspects_.size(); }
  /// Calls `free` for each object that nobody holds: nobody will from then on. Throws bad_alloc: what is left is looked
  /// at the next time, or never.
  void look(arena& objects, const hold_book& holds, const std::function<void(const span_owner&)>& free);

 private:
  struct suspicion {
    hold_word word;
    std::uint64_t serial, passage;
    object_header* header;
    bool held;
  };
  static void find_holders(std::vector<suspicion>& of, const hold_book& holds);

  std::vector<hold_word> suspects_;
  std::vector<suspicion> late_;  // ended, but for somebody who came too late and has not let go yet
};

}  // namespace kin::detail
