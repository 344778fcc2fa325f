// SPDX-License-Identifier: BSL-1.0
// exception_kinds: the types of exceptions that cross as themselves: the standard's, kin's own, and the registered
// ones.
#pragma once

#include <span>
#include <string_view>
#include <typeinfo>

#include <kin/wire/remote.hpp>

namespace kin::detail {

/// The standard's and kin's own.
std::span<const exception_kind> built_in_kinds();

/// Null when the type is none.
const exception_kind* built_in_kind(const std::type_info& type);
const exception_kind* registered_kind(const std::type_info& type);
/// Either, by std::type_info::name().
const exception_kind* kind_named(std::string_view name);
/// So that a copy by fork finds them whole. Once, while the process has one thread.
void prepare_exceptions_for_fork();

}  // namespace kin::detail
