// SPDX-License-Identifier: BSL-1.0
// structure: writes down, as text, what the encoding of a type consists of: "{i32,[str]}". Two types with the same text
// have the same encoding, whatever their names, so the text (kin/wire/signature.hpp: its hash) is a type's identity on
// the wire. Also the Archive that a serialize() sees when it is asked for its members, on a default-made object.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <vector>

#include <kin/wire/kind.hpp>

namespace kin {

// Numbers are i8…i64, u8…u64, f32, f64, f80, char; groups are {a,b} for structs, tuples and pairs, [T] for sequences,
// T*N for arrays, ?T, <A,B>, &T for shared_ptr; ^n is the n-th type outwards that contains this one. They are put
// together from std::strings: g++ 12 at -O3 takes "literal" + string for overlapping memory, and warns in users' code.

/// Collects the structure of one type. `codec<T>::describe(structure&)` says by name() and add() what encode() writes.
class structure {
 public:
  static constexpr bool is_saving = true;
  static constexpr bool is_loading = false;

  /// As an Archive: adds the types of the members.
  template <class... T>
  structure& operator()(const T&...) {
    (add<T>(), ...);
    return *this;
  }
  template <class T>
  structure& operator&(const T&) {
    add<T>();
    return *this;
  }
  template <class T>
  void put(const T&) {
    add<T>();
  }
  // What else a serialize() may do with a writer.
  void raw(const void*, std::size_t) { name("raw"); }
  void size(std::size_t) { name("size"); }
  void fd(int) { name("fd"); }

  /// Adds one item that is spelled `text`.
  void name(std::string_view text) {
    separate();
    text_ += text;
  }
  /// Adds the structure of T.
  template <class T>
  void add() {
    detail::rule<std::remove_cv_t<T>>::describe(*this);
  }
  /// Adds `before`, the structures of T..., and `after`, as one item.
  template <class... T>
  void group(std::string_view before, std::string_view after) {
    open(before);
    (add<T>(), ...);
    close(after);
  }
  void open(std::string_view before) {
    name(before);
    first_ = true;
  }
  void close(std::string_view after) {
    text_ += after;
    first_ = false;
  }
  /// Adds what `body` adds, as the inside of T; or, within T, the number of steps outwards to it.
  template <class T, class Body>
  void inside(std::string_view before, std::string_view after, Body&& body) {
    for (std::size_t steps = 1; steps <= inside_.size(); ++steps)
      if (*inside_[inside_.size() - steps] == typeid(T)) return name(std::string("^") + std::to_string(steps));
    if (!before.empty()) open(before);
    inside_.push_back(&typeid(T));
    body();
    inside_.pop_back();
    if (!before.empty()) close(after);
  }

  [[nodiscard]] const std::string& text() const& noexcept { return text_; }

 private:
  void separate() {
    if (!first_) text_ += ',';
    first_ = false;
  }
  std::string text_;
  bool first_ = true;
  std::vector<const std::type_info*> inside_;
};

}  // namespace kin
