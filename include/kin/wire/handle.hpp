// SPDX-License-Identifier: BSL-1.0
// handle: marks the types whose copies name the same object (queue, mutex, value, proxies): a task may take them by
// T, T& or const T&. A class says so with `using kin_handle = void;` or by specialising is_handle.
#pragma once

namespace kin {

namespace detail {
template <class T>
concept declares_handle = requires { typename T::kin_handle; };
}  // namespace detail

/// True for types whose copies name the same object in every process.
template <class T>
inline constexpr bool is_handle = detail::declares_handle<T>;

}  // namespace kin
