// SPDX-License-Identifier: BSL-1.0
// pointer_types: owners cross with what they own; sharing survives, cycles are refused.
#include <kin/wire/pointer_types.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "wire/round_trip.hpp"

namespace {
struct animal;
struct dog;
}  // namespace

template <>
struct kin::derived_types<animal> {
  using list = std::tuple<animal, dog>;
};

namespace {

using kin_test::circle;
using kin_test::node;
using kin_test::record;
using kin_test::round_trip;
using kin_test::shape;
using kin_test::square;
using testing::HasSubstr;

TEST(pointer_types, a_unique_ptr_crosses_with_its_object_or_empty) {
  EXPECT_EQ(*round_trip(std::make_unique<record>(record{1, 2, "x"})), (record{1, 2, "x"}));
  EXPECT_EQ(round_trip(std::unique_ptr<record>()), nullptr);
  EXPECT_EQ(*round_trip(std::unique_ptr<const int>(new int(3))), 3);
}

TEST(pointer_types, objects_shared_before_are_shared_after) {
  const auto a = std::make_shared<record>(record{1, 2, "a"}), b = std::make_shared<record>(record{1, 2, "a"});
  const auto got = round_trip(std::vector{a, b, a, std::shared_ptr<record>()});
  EXPECT_EQ(got[0], got[2]);
  EXPECT_NE(got[0], got[1]);
  EXPECT_EQ(*got[1], *b);
  EXPECT_EQ(got[3], nullptr);
  EXPECT_EQ(got[0].use_count(), 2);
}

TEST(pointer_types, an_object_is_shared_as_const_and_as_not_const) {
  const auto a = std::make_shared<record>();
  const auto got = round_trip(std::pair<std::shared_ptr<record>, std::shared_ptr<const record>>(a, a));
  EXPECT_EQ(got.first, got.second);
}

TEST(pointer_types, a_pointer_to_the_first_member_is_not_taken_for_one_to_the_whole) {
  const auto whole = std::make_shared<record>(record{7, 2, "x"});
  const auto got = round_trip(std::pair(whole, std::shared_ptr<int>(whole, &whole->number)));
  EXPECT_EQ(got.first->text, "x");
  EXPECT_EQ(*got.second, 7);
}

struct makes_temporaries {
  std::vector<int> values;
  template <class Archive>
  void serialize(Archive& ar) {
    if constexpr (Archive::is_saving) {
      for (const int v : values) ar(std::make_shared<int>(v));
    } else {
      for (int& v : values) {
        std::shared_ptr<int> p;
        ar(p);
        v = *p;
      }
    }
  }
};

TEST(pointer_types, temporaries_at_the_same_address_are_different_objects) {
  kin::writer out;
  out.put(makes_temporaries{{1, 2, 3}});
  auto message = out.take();
  kin::reader in(message);
  makes_temporaries got{{0, 0, 0}};
  in(got);
  EXPECT_EQ(got.values, (std::vector{1, 2, 3}));
}

TEST(pointer_types, a_list_of_types_lets_derived_objects_cross) {
  std::vector<std::shared_ptr<shape>> shapes{std::make_shared<circle>(1), std::make_shared<square>(2)};
  shapes.push_back(shapes[0]);
  const auto got = round_trip(shapes);
  EXPECT_EQ(got[0]->area(), 3);
  EXPECT_EQ(got[1]->area(), 4);
  EXPECT_EQ(got[0], got[2]);
  EXPECT_EQ(round_trip(std::unique_ptr<shape>(new square(3)))->area(), 9);
}

struct animal {
  animal() = default;
  animal(const animal&) = default;
  animal& operator=(const animal&) = default;
  virtual ~animal() = default;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(name);
  }
  std::string name;
};
struct dog : animal {
  template <class Archive>
  void serialize(Archive& ar) {
    ar(static_cast<animal&>(*this), age);
  }
  int age = 0;
};

TEST(pointer_types, a_base_may_be_listed_itself) {
  std::vector<std::unique_ptr<animal>> sent;
  sent.push_back(std::make_unique<animal>());
  sent.push_back(std::make_unique<dog>());
  sent[0]->name = "something";
  sent[1]->name = "dog";
  const auto got = round_trip(sent);
  EXPECT_EQ(got[0]->name, "something");
  EXPECT_EQ(dynamic_cast<dog*>(got[0].get()), nullptr);
  EXPECT_NE(dynamic_cast<dog*>(got[1].get()), nullptr);
}

struct triangle : shape {
  [[nodiscard]] double area() const override { return 1; }
};

TEST(pointer_types, a_type_that_is_not_listed_is_refused_by_name) {
  try {
    (void)kin::detail::encode(std::unique_ptr<shape>(new triangle));
    FAIL();
  } catch (const kin::encode_error& e) {
    EXPECT_THAT(e.what(), HasSubstr("triangle"));
    EXPECT_THAT(e.what(), HasSubstr("kin::derived_types<kin_test::shape>"));
  }
}

struct ring {
  std::shared_ptr<ring> next;
};

TEST(pointer_types, a_cycle_is_refused) {
  const auto a = std::make_shared<ring>(), b = std::make_shared<ring>(ring{a});
  a->next = b;
  EXPECT_THROW((void)kin::detail::encode(a), kin::encode_error);
  a->next = nullptr;
  EXPECT_NE(round_trip(b)->next, nullptr);
}

node list_of(int length) {
  node first;
  for (int i = 1; i < length; ++i) first = {i, std::make_unique<node>(std::move(first))};
  return first;
}

TEST(pointer_types, a_list_of_400_nodes_crosses_and_one_of_1000_is_refused) {
  EXPECT_EQ(round_trip(list_of(400)).value, 399);
  EXPECT_THROW((void)kin::detail::encode(list_of(1000)), kin::encode_error);
}

}  // namespace
