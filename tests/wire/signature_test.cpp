// SPDX-License-Identifier: BSL-1.0
// signature: types of one structure are one type on the wire, others are not.
#include <kin/wire/signature.hpp>

#include <gtest/gtest.h>

#include <complex>
#include <deque>
#include <filesystem>
#include <forward_list>
#include <list>
#include <unordered_map>
#include <unordered_set>

#include "wire/round_trip.hpp"

namespace {

using kin::type_signature;
using kin::type_structure;

template <class A, class B>
bool same() {
  EXPECT_EQ(type_structure<A>() == type_structure<B>(), type_signature<A>() == type_signature<B>());
  return type_signature<A>() == type_signature<B>();
}

struct numbers {
  int a;
  double b;
};
struct other_numbers {
  enum : int { nought } x;
  double y;
};
struct by_serialize {
  template <class Archive>
  void serialize(Archive& ar) {
    ar(a_) & b_;
  }

 private:
  int a_ = 0;
  double b_ = 0;
};
struct tree {
  int n;
  std::vector<tree> kids;
};
struct plant {
  int leaves;
  std::list<plant> branches;
};
struct hedge {
  int leaves;
  std::vector<std::vector<hedge>> branches;
};
struct serialized_tree {
  int n = 0;
  std::vector<serialized_tree> kids;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(n, kids);
  }
};
enum class small : unsigned char {};

TEST(signature, records_match_by_their_members) {
  EXPECT_TRUE((same<numbers, std::tuple<int, double>>()));
  EXPECT_TRUE((same<numbers, std::pair<int, double>>()));
  EXPECT_TRUE((same<numbers, other_numbers>()));
  EXPECT_TRUE((same<numbers, by_serialize>()));
  EXPECT_TRUE((same<std::vector<numbers>, std::deque<by_serialize>>()));
  EXPECT_FALSE((same<numbers, std::tuple<double, int>>()));
  EXPECT_FALSE((same<numbers, std::tuple<int, double, int>>()));
  EXPECT_FALSE((same<numbers, std::tuple<std::tuple<int, double>>>()));
  EXPECT_FALSE((same<int, std::tuple<int>>()));
  EXPECT_TRUE((same<std::monostate, std::tuple<>>()));
}

TEST(signature, numbers_match_by_kind_and_width) {
  EXPECT_TRUE((same<long, long long>()));
  EXPECT_TRUE((same<small, unsigned char>()));
  EXPECT_TRUE((same<std::byte, unsigned char>()));
  EXPECT_FALSE((same<int, unsigned>()));
  EXPECT_FALSE((same<int, long>()));
  EXPECT_FALSE((same<int, float>()));
  EXPECT_FALSE((same<bool, unsigned char>()));
  EXPECT_FALSE((same<double, long double>()));
}

TEST(signature, containers_match_by_what_they_are_for) {
  EXPECT_TRUE((same<std::vector<int>, std::list<int>>()));
  EXPECT_TRUE((same<std::forward_list<bool>, std::vector<bool>>()));
  EXPECT_TRUE((same<std::set<int>, std::unordered_multiset<int>>()));
  EXPECT_TRUE((same<std::map<int, long>, std::unordered_multimap<int, long long>>()));
  EXPECT_TRUE((same<int[3], std::array<int, 3>>()));
  EXPECT_TRUE((same<std::optional<int>, std::unique_ptr<int>>()));
  EXPECT_FALSE((same<std::vector<int>, std::set<int>>()));
  EXPECT_FALSE((same<std::vector<std::pair<int, int>>, std::map<int, int>>()));
  EXPECT_FALSE((same<std::array<int, 3>, std::array<int, 4>>()));
  EXPECT_FALSE((same<std::string, std::vector<char>>()));
  EXPECT_FALSE((same<std::string, std::u8string>()));
  EXPECT_FALSE((same<std::string, std::filesystem::path>()));
  EXPECT_FALSE((same<std::unique_ptr<int>, std::shared_ptr<int>>()));
  EXPECT_FALSE((same<std::variant<int, long>, std::variant<long, int>>()));
  EXPECT_FALSE((same<std::bitset<8>, std::bitset<9>>()));
  EXPECT_FALSE((same<std::complex<float>, std::complex<double>>()));
  EXPECT_FALSE((same<std::error_code, std::error_condition>()));
}

TEST(signature, times_match_by_unit_and_clock) {
  using namespace std::chrono;
  EXPECT_TRUE((same<milliseconds, duration<std::int64_t, std::milli>>()));
  EXPECT_FALSE((same<milliseconds, microseconds>()));
  EXPECT_FALSE((same<milliseconds, duration<double, std::milli>>()));
  EXPECT_FALSE((same<system_clock::time_point, steady_clock::time_point>()));
}

TEST(signature, recursive_types_end) {
  EXPECT_EQ(type_structure<tree>(), "{i32,[^1]}");
  EXPECT_TRUE((same<tree, plant>()));
  EXPECT_TRUE((same<tree, serialized_tree>()));
  EXPECT_FALSE((same<tree, hedge>()));
  EXPECT_EQ(type_structure<kin_test::node>(), "{i32,?^1}");
}

TEST(signature, structures_read_like_the_types) {
  EXPECT_EQ((type_structure<std::map<std::string, std::vector<numbers>>>()), "map<str,[{i32,f64}]>");
  EXPECT_EQ((type_structure<std::variant<int, std::optional<bool>>>()), "<i32,?bool>");
  EXPECT_EQ((type_structure<std::tuple<int[2][3], std::monostate, std::shared_ptr<char>>>()), "{i32*3*2,{},&char}");
  EXPECT_EQ(type_structure<std::unique_ptr<kin_test::shape>>(), "?derived<{f64},{f64}>");
  EXPECT_EQ(type_structure<std::chrono::milliseconds>(), "duration<i64,1/1000>");
  EXPECT_EQ(type_structure<kin::unique_fd>(), "fd");
}

}  // namespace
