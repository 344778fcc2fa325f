// SPDX-License-Identifier: BSL-1.0
// round_trip: a value there and back, and a few types that several tests of wire/ send.
#pragma once

#include <kin/wire/codec.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

namespace kin_test {

template <class T>
T round_trip(const T& value) {
  return kin::detail::decode<T>(kin::detail::encode(value));
}

struct record {
  int number = 0;
  double real = 0;
  std::string text;
  bool operator==(const record&) const = default;
};

struct point {
  float x = 0, y = 0, z = 0;
  bool operator==(const point&) const = default;
};

struct tree {
  std::string name;
  std::vector<tree> children;
  bool operator==(const tree&) const = default;
};

struct node {
  int value = 0;
  std::unique_ptr<node> next;
};

class account {
 public:
  account(int id, std::string owner) : id_(id), owner_(std::move(owner)) {}
  bool operator==(const account&) const = default;

 private:
  friend struct kin::access;
  account() = default;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(id_, owner_);
  }
  int id_ = 0;
  std::string owner_;
};

struct shape {
  shape() = default;
  shape(const shape&) = default;
  shape& operator=(const shape&) = default;
  virtual ~shape() = default;
  [[nodiscard]] virtual double area() const = 0;
};
struct circle : shape {
  circle() = default;
  explicit circle(double r) : radius(r) {}
  [[nodiscard]] double area() const override { return 3 * radius * radius; }
  template <class Archive>
  void serialize(Archive& ar) {
    ar(radius);
  }
  double radius = 0;
};
struct square : shape {
  square() = default;
  explicit square(double s) : side(s) {}
  [[nodiscard]] double area() const override { return side * side; }
  template <class Archive>
  void serialize(Archive& ar) {
    ar& side;
  }
  double side = 0;
};

/// A little of everything that a message may go wrong in.
struct everything {
  record one;
  std::map<std::string, std::vector<int>> table;
  std::vector<std::vector<std::vector<std::string>>> nested;
  std::variant<int, std::string, record> either;
  std::optional<std::vector<bool>> bits;
  tree family;
  node list;
  std::vector<std::shared_ptr<record>> shared;
  std::vector<std::shared_ptr<shape>> shapes;
  std::set<std::string> names;
  std::vector<account> accounts;
  std::vector<point> flat;
  std::vector<std::tuple<>> nothings;
  std::error_code error;
  std::bitset<11> few;
  std::array<std::optional<char>, 3> letters;
  bool flag = false;
};

}  // namespace kin_test

template <>
struct kin::derived_types<kin_test::shape> {
  using list = std::tuple<kin_test::circle, kin_test::square>;
};

namespace kin_test {
inline everything sample() {
  everything e;
  e.one = {1, 2.5, "three"};
  e.table = {{"a", {1, 2, 3}}, {"b", {}}};
  e.nested = {{{"x"}, {}}, {}};
  e.either = std::string("either");
  e.bits = std::vector<bool>{true, false, true};
  e.family = {"root", {{"child", {}}, {"other", {{"grandchild", {}}}}}};
  e.list = {1, std::make_unique<node>(2, std::make_unique<node>(3, nullptr))};
  e.shared = {std::make_shared<record>(record{4, 5, "six"}), nullptr};
  e.shared.push_back(e.shared[0]);
  e.shapes = {std::make_shared<circle>(1), std::make_shared<square>(2)};
  e.names = {"p", "q"};
  e.accounts = {account(1, "me")};
  e.flat = {{1, 2, 3}, {4, 5, 6}};
  e.nothings.resize(2);
  e.error = std::make_error_code(std::errc::io_error);
  e.few = 5;
  e.letters = {'a', std::nullopt, 'c'};
  e.flag = true;
  return e;
}
}  // namespace kin_test
