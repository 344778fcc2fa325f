// SPDX-License-Identifier: BSL-1.0
// watched_object: objects whose last handle may go, and whether they still are there. White box: a header stays mapped
// for ever, and says so.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <kin/memory/object_ref.hpp>
#include <kin/wire/codec.hpp>

#include "memory/family.hpp"
#include "memory/hold_list.hpp"
#include "memory/object_header.hpp"

namespace kin_test {

using kin::detail::delivery;
using kin::detail::object_header;
using kin::detail::object_kind;
using kin::detail::object_ref;
using kin::detail::parcel;

inline constexpr std::size_t after_header = sizeof(object_header);

inline object_ref stamped(std::uint64_t stamp, std::size_t size = 128) {
  object_ref made = object_ref::make(object_kind::array, size);
  auto* words = reinterpret_cast<std::uint64_t*>(reinterpret_cast<std::byte*>(made.get()) + after_header);
  for (std::size_t i = 0; i < (size - after_header) / sizeof stamp; ++i) std::atomic_ref(words[i]).store(stamp);
  return made;
}
inline bool has_stamp(const object_ref& object, std::uint64_t stamp) {
  auto* words = reinterpret_cast<std::uint64_t*>(reinterpret_cast<std::byte*>(object.get()) + after_header);
  for (std::size_t i = 0; i < (object.size() - after_header) / sizeof stamp; ++i)
    if (std::atomic_ref(words[i]).load() != stamp) return false;
  return true;
}
inline parcel sent(const object_ref& object, delivery how) {
  kin::writer out(how);
  object.encode(out);
  return out.take();
}
inline object_ref received(const parcel& message, std::size_t size = 128) {
  std::vector<kin::unique_fd> none;
  kin::reader in(message.bytes, none);
  return object_ref::decode(in, object_kind::array, size);
}

struct watched {
  explicit watched(object_ref made)
      : offset(made.offset()), serial(made.get()->serial.load()), header(made.get()), object(std::move(made)) {}
  /// The root looks, whatever reason it may have.
  void look() const {
    const kin::detail::hold_word word = kin::detail::hold_word_for(offset, serial);
    (void)kin::detail::family::tell_given_up({&word, 1}, true);
  }
  [[nodiscard]] bool lives() const { return header->serial.load() == serial && header->kind.load() != 0; }
  const std::uint64_t offset, serial;
  const object_header* header;
  std::optional<object_ref> object;
};
// With a span, so that the root looks at once when it seems to be unused.
inline watched with_span() {
  auto object = object_ref::make(object_kind::array, 128);
  (void)object.make_span(1);
  return watched(object);
}

}  // namespace kin_test
