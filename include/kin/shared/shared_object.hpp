// SPDX-License-Identifier: BSL-1.0
// shared_object: an object of the arena and where its contents lie in this process: what value, array and shared_memory
// hold. Plain functions, so that the templates stay thin.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <kin/core/deadline.hpp>
#include <kin/core/export.hpp>
#include <kin/memory/object_ref.hpp>

namespace kin::detail {

struct shared_object {
  object_ref ref;
  std::byte* data;
};

/// A value with no lock, at most 16 bytes; with a lock.
KIN_EXPORT shared_object make_value(std::span<const std::byte> initial);
KIN_EXPORT shared_object decode_value(reader& from, std::size_t size);
inline constexpr std::size_t most_guarded_bytes = (std::size_t{1} << 20) - 64;
KIN_EXPORT shared_object make_guarded_value(std::span<const std::byte> initial);
KIN_EXPORT shared_object decode_guarded_value(reader& from, std::size_t size);

/// Of a guarded value: as mutex's.
KIN_EXPORT void lock_guarded(const object_ref& value);
KIN_EXPORT bool lock_guarded(const object_ref& value, const deadline& until);
KIN_EXPORT bool try_lock_guarded(const object_ref& value);
KIN_EXPORT void unlock_guarded(const object_ref& value);
KIN_EXPORT void recover_guarded(const object_ref& value);
[[nodiscard]] KIN_EXPORT bool is_guarded_by_this_thread(const object_ref& value);

struct shared_elements : shared_object {
  std::size_t count;
};
/// Zeroed. Throws os_error.
KIN_EXPORT shared_elements make_array(std::size_t count, std::size_t element_size, std::size_t alignment);
KIN_EXPORT shared_elements decode_array(reader& from, std::size_t element_size, std::size_t alignment);
[[noreturn]] KIN_EXPORT void throw_array_too_long();
[[noreturn]] KIN_EXPORT void throw_no_such_element();

}  // namespace kin::detail
