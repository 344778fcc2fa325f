// SPDX-License-Identifier: BSL-1.0
// module: an address as bytes that another process of the same build can turn back into an address.
// Used for task descriptors (wire/call) and function pointers (wire/callable). Lookups are cached, because a pool
// submits millions of tasks; the caches are dropped when a module is unloaded.
//
// Form: u8 size and bytes of the module's identity, u16 size and bytes of its path (empty: the executable), u64 offset.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "os/loaded_module.hpp"

namespace kin::detail {

/// The place of `address`; `what` names it in the encode_error thrown when no loaded module holds it, or when it
/// is said to be code and is not.
std::string encode_place(const void* address, os::segment use, const char* what);

/// The address of an encoded place in this process; loads the module when it is not loaded yet.
/// Throws decode_error: malformed, another build, not loadable, not `size` bytes of such a segment.
const void* decode_place(std::string_view place, std::size_t size, os::segment use);

/// So that a copy by fork finds what is known here whole. Once, while the process has one thread.
void prepare_places_for_fork();

/// The path in an encoded place; empty for the executable. Throws decode_error: malformed.
std::string module_path(std::string_view place);

}  // namespace kin::detail
