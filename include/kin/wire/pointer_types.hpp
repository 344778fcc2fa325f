// SPDX-License-Identifier: BSL-1.0
// pointer_types: how unique_ptr and shared_ptr cross: by the value they point at. Within one message each object that
// shared_ptrs of one type hold crosses once and is shared again on the other side; cycles are refused.
#pragma once

#include <cstdint>
#include <memory>
#include <tuple>
#include <typeinfo>

#include <kin/wire/container_types.hpp>

namespace kin::detail {

// The object behind a pointer to E, if it is exactly an E.
template <class E>
struct exact_pointee {
  using parts = types<E>;
  static void encode(writer& w, const E& object) { w.put(object); }
  static std::unique_ptr<E> take(reader& r) {
    if constexpr (makeable<E>) {
      std::unique_ptr<E> object(make_new<E>());
      r.get(*object);
      return object;
    } else {
      return std::unique_ptr<E>(new E(r.take<E>()));
    }
  }
  static void describe(structure& s) { s.add<E>(); }
};

/// "kin: shape's derived type … is not in kin::derived_types"; encode_error.
[[noreturn]] KIN_EXPORT void not_a_listed_type(const std::type_info& base, const std::type_info& met);

// One of derived_types<E>, whose place in the list goes first.
template <class E, class List>
struct listed_pointee;
template <class E, template <class...> class List, class... D>
struct listed_pointee<E, List<D...>> {
  static_assert((std::is_base_of_v<E, D> && ...), "kin: a type in kin::derived_types<Base> is not derived from Base");
  static_assert(std::has_virtual_destructor_v<E>,
                "kin: kin::derived_types<Base> needs a Base with a virtual destructor");
  using parts = types<D...>;
  static void encode(writer& w, const E& object) {
    std::uint32_t place = 0;
    const bool found =
        ((typeid(object) == typeid(D) ? (w(place, dynamic_cast<const D&>(object)), true) : (++place, false)) || ...);
    if (!found) not_a_listed_type(typeid(E), typeid(object));
  }
  static std::unique_ptr<E> take(reader& r) { return take_at<D...>(r, r.take<std::uint32_t>()); }
  static void describe(structure& s) { s.group<D...>("derived<", ">"); }

 private:
  template <class First, class... Rest>
  static std::unique_ptr<E> take_at(reader& r, std::uint32_t place) {
    if (place == 0) return exact_pointee<First>::take(r);
    if constexpr (sizeof...(Rest) == 0)
      cannot_decode("the number of a derived type is out of range");
    else
      return take_at<Rest...>(r, place - 1);
  }
};

template <class E>
struct pointee : exact_pointee<E> {};
template <has_derived_types E>
struct pointee<E> : listed_pointee<E, typename derived_types<E>::list> {};

template <class T>
struct pointer_rule : plain_rule<1> {
  using E = std::remove_cv_t<typename T::element_type>;
  using parts = typename pointee<E>::parts;
};

template <class T>
struct rule<T, kind::unique_ptr> : pointer_rule<T> {
  using typename pointer_rule<T>::E;
  static void encode(writer& w, const T& value) {
    const auto level = w.descend();
    w.put(static_cast<bool>(value));
    if (value) pointee<E>::encode(w, *value);
  }
  static void decode(reader& r, T& value) {
    const auto level = r.descend();
    value.reset();
    if (r.take<bool>()) value = pointee<E>::take(r);
  }
  static void describe(structure& s) {
    s.open("?");
    pointee<E>::describe(s);
    s.close("");
  }
};

// 0 is null, n the n-th object of this message; at its first appearance the object follows.
template <class T>
struct rule<T, kind::shared_ptr> : pointer_rule<T> {
  using typename pointer_rule<T>::E;
  static constexpr std::size_t least = sizeof(std::uint32_t);
  static void encode(writer& w, const T& value) {
    if (!value) return w.put(std::uint32_t{0});
    const auto level = w.descend();
    const auto [number, is_new] = w.share(value, typeid(E));
    w.put(number);
    if (!is_new) return;
    pointee<E>::encode(w, const_cast<const E&>(*value));
    w.complete(number);
  }
  static void decode(reader& r, T& value) {
    const auto number = r.take<std::uint32_t>();
    if (number == 0) return value.reset();
    const auto level = r.descend();
    if (auto known = r.shared(number, typeid(E))) {
      value = std::static_pointer_cast<E>(std::move(known));
      return;
    }
    std::shared_ptr<E> object = pointee<E>::take(r);
    r.keep(number, object, typeid(E));
    value = std::move(object);
  }
  static void describe(structure& s) {
    s.open("&");
    pointee<E>::describe(s);
    s.close("");
  }
};

}  // namespace kin::detail
