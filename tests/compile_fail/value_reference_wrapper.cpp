// SPDX-License-Identifier: BSL-1.0
// value_reference_wrapper: a reference_wrapper.
// expect: kin: std::string_view, std::span, std::initializer_list and std::reference_wrapper only point at
// errors: 1
#include <kin/wire/codec.hpp>

#include <functional>
#include <map>

auto message = kin::detail::encode(std::map<int, std::reference_wrapper<int>>());
