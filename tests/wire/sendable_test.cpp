// SPDX-License-Identifier: BSL-1.0
// sendable: arguments travel as values. What is refused is in tests/compile_fail.
#include <kin/wire/sendable.hpp>

#include <gtest/gtest.h>

#include <functional>

#include "wire/round_trip.hpp"

namespace {

using kin::wire_type;

static_assert(std::same_as<wire_type<const char (&)[6]>, std::string>);
static_assert(std::same_as<wire_type<const char*>, std::string>);
static_assert(std::same_as<wire_type<char*&>, std::string>);
static_assert(std::same_as<wire_type<std::string_view>, std::string>);
static_assert(std::same_as<wire_type<const std::string&>, std::string>);
static_assert(std::same_as<wire_type<const wchar_t*>, std::wstring>);
static_assert(std::same_as<wire_type<std::u8string_view>, std::u8string>);
static_assert(std::same_as<wire_type<const std::vector<int>&>, std::vector<int>>);
static_assert(std::same_as<wire_type<int&&>, int>);
static_assert(std::same_as<kin::stored_t<const int* const>, const int*>);
static_assert(std::same_as<wire_type<std::reference_wrapper<int>>, std::reference_wrapper<int>>);

TEST(sendable, whatever_can_cross_is_let_through) {
  kin::check_sendable<kin_test::everything>();
  kin::check_sendable<const kin_test::record>();
  kin::check_sendable<std::vector<std::unique_ptr<kin_test::shape>>>();
  kin::check_sendable<kin::unique_fd>();
}

}  // namespace
