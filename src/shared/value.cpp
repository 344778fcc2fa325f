// SPDX-License-Identifier: BSL-1.0
// value: see the header. A number follows its object's header; another T lies a cache line after its lock.
#include <kin/shared/value.hpp>

#include <cstring>

#include "sync/owned_lock.hpp"

namespace kin::detail {
namespace {

constexpr std::size_t after_header = sizeof(object_header);
constexpr std::size_t after_lock = 64;
static_assert(sizeof(owned_lock) <= after_lock && after_header % 16 == 0);

shared_object placed(const object_ref& ref, std::size_t offset) {
  auto* data = reinterpret_cast<std::byte*>(ref.get()) + offset;
  return {ref, data};
}

shared_object make(object_kind kind, std::size_t offset, std::span<const std::byte> initial) {
  shared_object made = placed(object_ref::make(kind, offset + initial.size()), offset);
  std::memcpy(made.data, initial.data(), initial.size());
  return made;
}

owned_lock& lock_of(const object_ref& ref) noexcept { return *static_cast<owned_lock*>(ref.get()); }

}  // namespace

shared_object make_value(std::span<const std::byte> initial) { return make(object_kind::value, after_header, initial); }
shared_object decode_value(reader& from, std::size_t size) {
  return placed(object_ref::decode(from, object_kind::value, after_header + size), after_header);
}
shared_object make_guarded_value(std::span<const std::byte> initial) {
  return make(object_kind::guarded_value, after_lock, initial);
}
shared_object decode_guarded_value(reader& from, std::size_t size) {
  return placed(object_ref::decode(from, object_kind::guarded_value, after_lock + size), after_lock);
}

void lock_guarded(const object_ref& value) { lock_owned(lock_of(value)); }
bool lock_guarded(const object_ref& value, const deadline& until) { return lock_owned(lock_of(value), until); }
bool try_lock_guarded(const object_ref& value) { return try_lock_owned(lock_of(value)); }
void unlock_guarded(const object_ref& value) { unlock_owned(lock_of(value)); }
void recover_guarded(const object_ref& value) { lock_of(value).recover(family::self()); }
bool is_guarded_by_this_thread(const object_ref& value) { return lock_of(value).is_held_by(family::self()); }

}  // namespace kin::detail
