// SPDX-License-Identifier: BSL-1.0
// aggregate: the members of every shape of plain struct are counted and reached, by every compiler alike.
#include <kin/wire/aggregate.hpp>

#include <gtest/gtest.h>

#include <any>
#include <array>
#include <atomic>
#include <bitset>
#include <chrono>
#include <complex>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

namespace {

using kin::detail::has_base;
using kin::detail::member_count;
using kin::detail::member_types;
using kin::detail::types;
using kin::detail::visit_members;

struct pair_of_int {
  int x, y;
};
struct empty {};
struct without_default {
  explicit without_default(int number) : n(number) {}
  int n;
};
struct explicit_default {
  explicit explicit_default(int number = 0) : n(number) {}
  int n;
};

struct scalars_and_string {
  int i;
  double d;
  std::string s;
};
struct standard_values {
  std::variant<int, std::string> v;
  std::optional<std::string> o;
  std::tuple<int, double> t;
  std::filesystem::path p;
};
struct owners {
  std::unique_ptr<int> u;
  std::shared_ptr<scalars_and_string> s;
  std::vector<std::unique_ptr<int>> v;
};
struct c_arrays {
  int a[3];
  pair_of_int p;
  char c[16];
  pair_of_int q[2];
};
struct long_c_arrays {
  int id;
  char name[4096];
  int table[2][3];
};
struct structs_in_structs {
  pair_of_int p;
  std::array<int, 4> a;
  std::map<std::string, pair_of_int> m;
};
struct things_that_take_anything {
  std::optional<int> o;
  std::any a;
  std::function<void()> f;
};
struct const_member {
  const int c;
  std::string s;
};
struct times {
  std::chrono::nanoseconds n;
  std::chrono::system_clock::time_point t;
  std::complex<double> z;
  std::bitset<9> b;
};
struct one_number {
  int one;
};
struct one_string {
  std::string one;
};
struct one_any {
  std::any one;
};
struct one_struct {
  pair_of_int one;
};
struct one_vector {
  std::vector<pair_of_int> one;
};
struct one_optional {
  std::optional<std::string> one;
};
struct initialisers {
  int i = 3;
  std::string s = "default";
};
struct optionals {
  std::optional<pair_of_int> p;
  std::optional<std::optional<int>> q;
};
struct mixed {
  std::pair<int, pair_of_int> x;
  std::set<int> s;
  bool b;
  enum letters { e } en;
  long double l;
};
struct base {
  int b;
};
struct derived : base {
  int i;
};
struct derived_from_empty : empty {
  int i;
};
struct immovable {
  std::atomic<int> a;
  std::mutex m;
};
struct recursive {
  std::vector<recursive> kids;
  std::string n;
};
struct recursive_by_pointer {
  std::unique_ptr<recursive_by_pointer> l, r;
  int v;
};
struct empty_members {
  empty a, b;
  int c;
  empty d;
};
struct no_default_in_the_middle {
  int a;
  without_default n;
  int b;
};
struct no_default_but_initialised {
  without_default n = without_default(3);
  int b;
};
struct no_default_beside_an_array {
  without_default n = without_default(3);
  int b[4];
  const int& r;
};
struct explicit_member {
  explicit_default e;
  int b;
  std::string c;
};
struct sixty_four {
  int a[64];
  int b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, d0, d1, d2, d3, d4, d5, d6, d7,
      d8, d9, e0, e1, e2, e3, e4, e5, e6, e7, e8, e9, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, g0, g1, g2, g3, g4, g5,
      g6, g7, g8, g9, h0, h1, h2;
};

static_assert(member_count<empty> == 0);
static_assert(member_count<scalars_and_string> == 3);
static_assert(member_count<standard_values> == 4);
static_assert(member_count<owners> == 3);
static_assert(member_count<c_arrays> == 4);
static_assert(member_count<long_c_arrays> == 3);
static_assert(member_count<structs_in_structs> == 3);
static_assert(member_count<things_that_take_anything> == 3);
static_assert(member_count<const_member> == 2);
static_assert(member_count<times> == 4);
static_assert(member_count<one_number> == 1);
static_assert(member_count<one_string> == 1);
static_assert(member_count<one_any> == 1);
static_assert(member_count<one_struct> == 1);
static_assert(member_count<one_vector> == 1);
static_assert(member_count<one_optional> == 1);
static_assert(member_count<initialisers> == 2);
static_assert(member_count<optionals> == 2);
static_assert(member_count<mixed> == 5);
static_assert(member_count<immovable> == 2);
static_assert(member_count<recursive> == 2);
static_assert(member_count<recursive_by_pointer> == 3);
static_assert(member_count<empty_members> == 4);
static_assert(member_count<no_default_in_the_middle> == 3);
static_assert(member_count<no_default_but_initialised> == 2);
static_assert(member_count<no_default_beside_an_array> == 3);
static_assert(member_count<explicit_member> == 3);
static_assert(member_count<sixty_four> == 64);

static_assert(has_base<derived> && has_base<derived_from_empty>);
static_assert(!has_base<base> && !has_base<one_any> && !has_base<one_struct> && !has_base<things_that_take_anything>);

static_assert(std::same_as<member_types<long_c_arrays>, types<int, char[4096], int[2][3]>>);
static_assert(std::same_as<member_types<const_member>, types<const int, std::string>>);
static_assert(std::same_as<member_types<no_default_beside_an_array>, types<without_default, int[4], const int&>>);

TEST(aggregate, members_are_visited_in_order_and_by_reference) {
  scalars_and_string value{1, 2, "three"};
  visit_members(value, [](int& i, double& d, std::string& s) {
    i += 10;
    d += 10;
    s += "!";
  });
  EXPECT_EQ(value.i, 11);
  EXPECT_EQ(value.d, 12);
  EXPECT_EQ(value.s, "three!");
}

TEST(aggregate, members_of_a_const_struct_are_const) {
  const scalars_and_string value{1, 2, "three"};
  visit_members(value, [](auto&... member) {
    static_assert((std::is_const_v<std::remove_reference_t<decltype(member)>> && ...));
  });
}

TEST(aggregate, the_last_of_sixty_four_members_is_reached) {
  sixty_four value{};
  visit_members(value, [](auto&... member) {
    int n = 0;
    (((n++),
      [&](auto& m) {
        if constexpr (std::is_same_v<decltype(m), int&>) m = n;
      }(member)),
     ...);
  });
  EXPECT_EQ(value.h2, 64);
  EXPECT_EQ(value.b0, 2);
}

}  // namespace
