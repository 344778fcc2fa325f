// SPDX-License-Identifier: BSL-1.0
// lending: which bytes of a value its message need not copy, because whoever sends it keeps the value until they are
// sent. So a large vector is held once by its sender, and not a second time as a message.
//
// Invariant: what is lent belongs to an object that lies within memory that outlives the message; a temporary that a
// rule or a user's code encodes does not. And to a std::vector or std::basic_string: another container may show its
// elements in memory that it uses again for the next ones.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace kin::detail {

/// Less is copied: it costs little memory.
inline constexpr std::size_t least_lent = std::size_t{256} << 10;

/// Whose elements lie still as long as they are not changed.
template <class T>
inline constexpr bool lendable = false;
template <class E, class Allocator>
inline constexpr bool lendable<std::vector<E, Allocator>> = !std::is_same_v<E, bool>;
template <class C, class Traits, class Allocator>
inline constexpr bool lendable<std::basic_string<C, Traits, Allocator>> = true;

struct lent_bytes {
  std::size_t before;  ///< so many of the message's own bytes come before them
  std::span<const std::byte> bytes;
};

/// What a writer may lend, and has lent.
struct lending {
  std::span<const std::byte> alive;  ///< the objects that outlive the message lie here
  std::vector<lent_bytes> lent{};

  [[nodiscard]] bool has(const void* object) const noexcept {
    const auto* const at = static_cast<const std::byte*>(object);
    return !std::less<>()(at, alive.data()) && std::less<>()(at, alive.data() + alive.size());
  }
};

/// While it lives, nothing outlives the message but the elements of an object that does.
class alive_elements {
 public:
  /// Of no elements: nothing outlives it.
  alive_elements(lending* in, const void* owner, std::span<const std::byte> elements) noexcept : in_(in) {
    if (in_ == nullptr) return;
    before_ = in_->alive;
    in_->alive = in_->has(owner) ? elements : std::span<const std::byte>();
  }
  alive_elements(const alive_elements&) = delete;
  alive_elements& operator=(const alive_elements&) = delete;
  ~alive_elements() {
    if (in_ != nullptr) in_->alive = before_;
  }

 private:
  lending* in_;
  std::span<const std::byte> before_;
};

/// A message's bytes, some of which lie elsewhere. Owns nothing.
struct gathered_bytes {
  std::span<const std::byte> own;
  std::span<const lent_bytes> lent{};

  [[nodiscard]] std::size_t size() const noexcept {
    std::size_t all = own.size();
    for (const lent_bytes& each : lent) all += each.bytes.size();
    return all;
  }
  /// Calls with each part in turn; none is empty.
  template <class Call>
  void for_each_part(Call&& call) const {
    std::size_t from = 0;
    for (const auto& [before, bytes] : lent) {
      if (before > from) call(own.subspan(from, before - from));
      if (!bytes.empty()) call(bytes);
      from = before;
    }
    if (own.size() > from) call(own.subspan(from));
  }
};

}  // namespace kin::detail
