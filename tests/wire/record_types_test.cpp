// SPDX-License-Identifier: BSL-1.0
// record_types: structs, tuples, classes with serialize() and types with a codec cross with all their members.
#include <kin/wire/record_types.hpp>

#include <gtest/gtest.h>

#include <stdexcept>

#include "wire/round_trip.hpp"

namespace elsewhere {

struct by_free_function {
  by_free_function() = default;
  by_free_function(int first, std::string second) : a(first), b(std::move(second)) {}
  bool operator==(const by_free_function&) const = default;
  int a = 0;
  std::string b;
};
template <class Archive>
void serialize(Archive& ar, by_free_function& value) {
  ar(value.a, value.b);
}

/// No default constructor: only a codec can bring it over.
class money {
 public:
  explicit money(long cents) : cents_(cents) {}
  [[nodiscard]] long cents() const { return cents_; }
  bool operator==(const money&) const = default;

 private:
  long cents_;
};

}  // namespace elsewhere

template <>
struct kin::codec<elsewhere::money> {
  static void encode(writer& out, const elsewhere::money& value) { out(value.cents()); }
  static elsewhere::money decode(reader& in) { return elsewhere::money(in.take<long>()); }
  static void describe(structure& s) { s.add<long>(); }
};

namespace {

using elsewhere::by_free_function;
using elsewhere::money;
using kin_test::account;
using kin_test::record;
using kin_test::round_trip;
using kin_test::tree;

TEST(record_types, tuples_and_pairs_cross) {
  EXPECT_EQ(round_trip(std::tuple<>()), std::tuple<>());
  EXPECT_EQ(round_trip(std::tuple(1, std::string("x"), true)), std::tuple(1, std::string("x"), true));
  EXPECT_EQ(round_trip(std::pair<const int, std::string>(1, "x")), (std::pair<const int, std::string>(1, "x")));
}

struct empty {};
struct odd {
  int numbers[3];
  std::string texts[2];
  const int constant;
  const std::string constant_text;
  bool flags[2][2];
  empty nothing;
  std::unique_ptr<record> owned;
  char name[300];
};

TEST(record_types, arrays_const_empty_and_move_only_members_cross) {
  const auto got = round_trip(odd{{1, 2, 3},
                                  {"a", "b"},
                                  9,
                                  "const",
                                  {{true, false}, {false, true}},
                                  {},
                                  std::make_unique<record>(1, 2, "x"),
                                  "name"});
  EXPECT_EQ(got.numbers[2], 3);
  EXPECT_EQ(got.texts[1], "b");
  EXPECT_EQ(got.constant, 9);
  EXPECT_EQ(got.constant_text, "const");
  EXPECT_TRUE(got.flags[1][1]);
  EXPECT_EQ(got.owned->text, "x");
  EXPECT_STREQ(got.name, "name");
  EXPECT_NO_THROW(round_trip(empty()));
}

TEST(record_types, recursive_structs_cross) {
  const tree family{"a", {{"b", {}}, {"c", {{"d", {}}}}}};
  EXPECT_EQ(round_trip(family), family);
}

TEST(record_types, serialize_may_be_private_or_a_free_function) {
  EXPECT_EQ(round_trip(account(1, "me")), account(1, "me"));
  EXPECT_EQ(round_trip(by_free_function(1, "x")), by_free_function(1, "x"));
  EXPECT_EQ(round_trip(std::vector{account(1, "me"), account(2, "you")})[1], account(2, "you"));
}

struct base {
  int a = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar& a;
  }
};
struct derived : base {
  int b = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(static_cast<base&>(*this), b);
  }
};

TEST(record_types, serialize_may_send_its_base) {
  derived value;
  value.a = 1;
  value.b = 2;
  const auto got = round_trip(value);
  EXPECT_EQ(got.a, 1);
  EXPECT_EQ(got.b, 2);
}

struct derived_without_members : base {};

TEST(record_types, an_inherited_serialize_suffices_without_members_of_ones_own) {
  derived_without_members value;
  value.a = 3;
  EXPECT_EQ(round_trip(value).a, 3);
}

struct throws {
  template <class Archive>
  void serialize(Archive&) {
    throw std::logic_error("mine");
  }
};

TEST(record_types, what_serialize_throws_comes_out) {
  EXPECT_THROW((void)kin::detail::encode(throws()), std::logic_error);
}

struct payment {
  int number;
  money amount;
};

TEST(record_types, a_serialize_that_throws_even_when_asked_for_its_members_throws_where_it_is_used) {
  EXPECT_NE(kin::type_structure<std::vector<throws>>().find("throws"), std::string::npos);
  EXPECT_NE(kin::type_signature<throws>(), kin::type_signature<std::vector<throws>>());
}

TEST(record_types, a_type_without_default_constructor_crosses_by_its_codec_wherever_it_stands) {
  EXPECT_EQ(round_trip(money(5)), money(5));
  EXPECT_EQ(round_trip(payment{1, money(2)}).amount, money(2));
  EXPECT_EQ(round_trip(std::vector{money(1), money(2)}), (std::vector{money(1), money(2)}));
  EXPECT_EQ(round_trip(std::map<int, money>{{1, money(2)}}), (std::map<int, money>{{1, money(2)}}));
  EXPECT_EQ(round_trip(std::optional(money(3))), money(3));
  EXPECT_EQ(round_trip(std::pair(1, money(4))), std::pair(1, money(4)));
  EXPECT_EQ(round_trip(std::array{money(4), money(5)}), (std::array{money(4), money(5)}));
  EXPECT_EQ((round_trip(std::variant<money, int>(money(6)))), (std::variant<money, int>(money(6))));
  EXPECT_EQ(*round_trip(std::make_unique<money>(7)), money(7));
  EXPECT_EQ(*round_trip(std::make_shared<money>(8)), money(8));
}

}  // namespace
