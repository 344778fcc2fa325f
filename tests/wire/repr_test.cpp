// SPDX-License-Identifier: BSL-1.0
// repr: what is expected here was printed by CPython 3.11.
#include <gtest/gtest.h>

#include <kin/wire/repr.hpp>

#include <array>
#include <cstdint>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

namespace {

using kin::repr;
using namespace std::string_literals;

TEST(repr, quotes_text_as_python_does) {
  EXPECT_EQ(repr("plain"s), "'plain'");
  EXPECT_EQ(repr("it's"s), R"("it's")");
  EXPECT_EQ(repr("it's \"both\""s), R"('it\'s "both"')");
  EXPECT_EQ(repr("a\tb\nc\rd\\e"s), R"('a\tb\nc\rd\\e')");
  EXPECT_EQ(repr("\0\x1f\x7f"s), R"('\x00\x1f\x7f')");
  EXPECT_EQ(repr("x"), "'x'");
  EXPECT_EQ(repr('c'), "'c'");
}

TEST(repr, keeps_utf_8_that_can_be_printed) {
  EXPECT_EQ(repr("你好 é 😀"s), "'你好 é 😀'");
  EXPECT_EQ(repr("\u00a0\u00ad\u200b\ufeff"s), R"('\xa0\xad\u200b\ufeff')");
  EXPECT_EQ(repr("\U000e0001"s), R"('\U000e0001')");
}

TEST(repr, shows_bytes_that_are_no_utf_8) {
  EXPECT_EQ(repr("a\xff\xc3"s), R"('a\xff\xc3')");
  EXPECT_EQ(repr("\xc0\x80"s), R"('\xc0\x80')");          // overlong
  EXPECT_EQ(repr("\xed\xa0\x80"s), R"('\xed\xa0\x80')");  // a surrogate
  EXPECT_EQ(repr("\xe4\xbd"s), R"('\xe4\xbd')");          // cut short
}

TEST(repr, prints_numbers_as_python_does) {
  EXPECT_EQ(repr(true), "True");
  EXPECT_EQ(repr(-3), "-3");
  EXPECT_EQ(repr(std::uint8_t{200}), "200");
  EXPECT_EQ(repr(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(repr(1.0), "1.0");
  EXPECT_EQ(repr(0.1), "0.1");
  EXPECT_EQ(repr(-0.0), "-0.0");
  EXPECT_EQ(repr(100000.0), "100000.0");
  EXPECT_EQ(repr(1e15), "1000000000000000.0");
  EXPECT_EQ(repr(1e16), "1e+16");
  EXPECT_EQ(repr(1.5e-5), "1.5e-05");
  EXPECT_EQ(repr(0.0001), "0.0001");
  EXPECT_EQ(repr(1e300), "1e+300");
  EXPECT_EQ(repr(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(repr(std::numeric_limits<double>::quiet_NaN()), "nan");
  EXPECT_EQ(repr(0.1f), "0.1");
}

enum class colour { red = 1 };
struct named {
  std::string name;
  friend std::ostream& operator<<(std::ostream& out, const named& n) { return out << "<" << n.name << ">"; }
};
struct silent {};

TEST(repr, prints_containers_as_python_does) {
  EXPECT_EQ(repr(std::vector<int>{}), "[]");
  EXPECT_EQ(repr(std::vector{"a"s, "b"s}), "['a', 'b']");
  EXPECT_EQ(repr(std::vector<bool>{true, false}), "[True, False]");
  EXPECT_EQ(repr(std::list<std::array<int, 2>>{{1, 2}}), "[[1, 2]]");
  EXPECT_EQ(repr(std::map<std::string, std::vector<double>>{{"a", {1, 2.5}}}), "{'a': [1.0, 2.5]}");
  EXPECT_EQ(repr(std::set<int>{2, 1}), "{1, 2}");
  EXPECT_EQ(repr(std::set<int>{}), "set()");
  EXPECT_EQ(repr(std::pair(1, "a"s)), "(1, 'a')");
  EXPECT_EQ(repr(std::tuple(1)), "(1,)");
  EXPECT_EQ(repr(std::tuple()), "()");
}

TEST(repr, prints_what_may_be_absent) {
  EXPECT_EQ(repr(std::optional<int>()), "None");
  EXPECT_EQ(repr(std::optional("x"s)), "'x'");
  EXPECT_EQ(repr(std::make_unique<int>(3)), "3");
  EXPECT_EQ(repr(std::shared_ptr<int>()), "None");
  EXPECT_EQ(repr(std::variant<int, std::string>("x")), "'x'");
  EXPECT_EQ(repr(nullptr), "None");
  EXPECT_EQ(repr(std::monostate()), "None");
}

TEST(repr, prints_other_types_by_their_own_operator) {
  EXPECT_EQ(repr(std::vector{named{"x"}}), "[<x>]");
  EXPECT_EQ(repr(colour::red), "1");
  static_assert(!kin::detail::printable<silent>);
  static_assert(!kin::detail::printable<std::vector<std::pair<int, silent>>>);
}

}  // namespace
