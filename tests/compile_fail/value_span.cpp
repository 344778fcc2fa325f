// SPDX-License-Identifier: BSL-1.0
// value_span: a span as an element.
// expect: kin: std::string_view, std::span, std::initializer_list and std::reference_wrapper only point at
// errors: 1
#include <kin/wire/codec.hpp>

#include <optional>
#include <span>

auto message = kin::detail::encode(std::optional<std::span<int>>());
