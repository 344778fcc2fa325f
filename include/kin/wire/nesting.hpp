// SPDX-License-Identifier: BSL-1.0
// nesting: how deep the value being encoded or decoded is, so that neither a hostile message nor a list of a million
// nodes overflows the stack. Whatever is recursive passes through a pointer, a container or code of the user's, and
// these count; plain structs and tuples do not.
#pragma once

namespace kin::detail {

/// Deepest chain of containers and pointers, and of serialize() or codec calls, that crosses.
inline constexpr int most_levels = 500;

/// One level deeper until the end of the scope. `Fail` throws, and does not return.
template <void (*Fail)()>
class level {
 public:
  explicit level(int& depth) : depth_(depth) {
    if (depth_ >= most_levels) Fail();
    ++depth_;
  }
  level(const level&) = delete;
  level& operator=(const level&) = delete;
  ~level() { --depth_; }

 private:
  int& depth_;
};

}  // namespace kin::detail
