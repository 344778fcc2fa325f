// SPDX-License-Identifier: BSL-1.0
// container_types: how strings, arrays, sequences, sets and maps cross. A number of elements, then the elements; what
// lies in memory as it lies on the wire goes by one memcpy.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <memory>

#include <kin/wire/standard_types.hpp>

namespace kin::detail {

inline constexpr std::size_t count_bytes = sizeof(std::uint64_t);

// Elements of a container take at least one byte each, or a few bytes could claim to be a billion of them:
// one that wrote nothing is followed by a filler.
template <class T>
void put_element(writer& w, const T& element) {
  const auto before = w.written();
  w.put(element);
  if constexpr (least_bytes<T> == 0)
    if (w.written() == before) w.put(false);
}
template <class T>
T take_element(reader& r) {
  const auto before = r.left();
  T element = r.take<T>();
  if constexpr (least_bytes<T> == 0)
    if (r.left() == before) (void)r.take<bool>();
  return element;
}

// Room for n elements, but no more than a mebibyte at once: the message only claims that there are so many.
template <class T>
void reserve_some(T& container, std::size_t n) {
  if constexpr (requires { container.reserve(n); })
    container.reserve(std::min<std::size_t>(n, 16 + (std::size_t{1} << 20) / sizeof(typename T::value_type)));
}

/// Memory that is about to be filled for the first time.
KIN_EXPORT void expect_large(void* at, std::size_t bytes) noexcept;

/// Room for as many elements as a message claims, of which not all have come: no memory is touched before they have.
/// Throws decode_error where there is no such room.
template <class T>
void reserve_claimed(T& container, std::size_t n) {
  try {
    container.reserve(n);
  } catch (const std::exception&) {  // length_error, bad_alloc
    cannot_decode("a container claims more elements than there is memory for");
  }
}

// Elements that make a large container, or of which not all have come.
template <class T>
void take_many(reader& r, T& value, std::size_t n) {
  using E = typename T::value_type;
  if constexpr (std::is_trivially_default_constructible_v<E> && sizeof(E) <= 512 && requires(E* p) {
                  value.reserve(n);
                  value.insert(value.end(), p, p);
                }) {
    // resize() would zero them first, which costs as much again.
    value.clear();
    r.has(n * sizeof(E)) ? value.reserve(n) : reserve_claimed(value, n);
    expect_large(value.data(), n * sizeof(E));
    // By way of a piece that stays in the cache, because the bytes may lie anywhere, and an E may not.
    // No larger: more may be copied slowly out of memory that another processor has written (decision 0011).
    E piece[1024 / sizeof(E)];
    while (n > 0) {
      const std::size_t some = std::min(n, std::size(piece));
      r.raw(piece, some * sizeof(E));
      value.insert(value.end(), piece, piece + some);
      n -= some;
    }
  } else {
    // As many at once as are here; of those that are still to come as many as have come, or a few.
    constexpr std::size_t few = (std::size_t{64} << 10) / sizeof(E) + 1;
    for (std::size_t have = 0; have < n;) {
      const std::size_t more = r.has((n - have) * sizeof(E)) ? n - have : std::min(n - have, std::max(have, few));
      value.resize(have + more);
      r.raw(value.data() + have, more * sizeof(E));
      have += more;
    }
  }
}

// Gives `value` the elements that come next, which lie on the wire as they do in memory.
template <class T>
void take_in_one_piece(reader& r, T& value) {
  using E = typename T::value_type;
  constexpr std::size_t large = std::size_t{64} << 10;
  const std::size_t n = r.size(sizeof(E));
  if (n >= large / sizeof(E) || !r.has(n * sizeof(E))) [[unlikely]]
    return take_many(r, value, n);
  value.resize(n);
  r.raw(value.data(), n * sizeof(E));
}

template <class T>
struct rule<T, kind::string> : plain_rule<count_bytes> {
  using C = typename T::value_type;
  static void encode(writer& w, const T& value) {
    w.size(value.size());
    w.raw_of(value, value.data(), value.size());
  }
  static void decode(reader& r, T& value) { take_in_one_piece(r, value); }
  static void describe(structure& s) {
    if constexpr (std::is_same_v<C, char>)
      s.name("str");
    else
      s.group<C>("str<", ">");
  }
};

template <class E, std::size_t N>
struct rule<E[N], kind::c_array> : plain_rule<N * least_bytes<E>, E> {
  static constexpr bool flat = is_flat<E>;
  static void encode(writer& w, const E (&value)[N]) {
    if constexpr (flat)
      w.raw(std::addressof(value), sizeof value);
    else
      for (const auto& element : value) w.put(element);
  }
  static void decode(reader& r, E (&value)[N]) {
    if constexpr (flat)
      r.raw(std::addressof(value), sizeof value);
    else
      for (auto& element : value) r.get(element);
  }
  static void describe(structure& s) {
    s.add<E>();
    s.close(std::string("*") + std::to_string(N));
  }
};

template <class E, std::size_t N>
struct rule<std::array<E, N>, kind::std_array> : plain_rule<N * least_bytes<E>, E> {
  using T = std::array<E, N>;
  static constexpr bool flat = is_flat<E> && !std::is_const_v<E> && sizeof(T) == N * sizeof(E);
  static void encode(writer& w, const T& value) {
    if constexpr (flat)
      w.raw(std::addressof(value), sizeof value);
    else
      for (const auto& element : value) w.put(element);
  }
  static void decode(reader& r, T& value)
    requires makeable<T>
  {
    if constexpr (flat)
      r.raw(std::addressof(value), sizeof value);
    else
      for (auto& element : value) r.get(element);
  }
  static T take(reader& r)
    requires(!makeable<T>)
  {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return T{((void)I, r.take<std::remove_const_t<E>>())...};
    }(std::make_index_sequence<N>{});
  }
  static void describe(structure& s) {
    s.add<E>();
    s.close(std::string("*") + std::to_string(N));
  }
};

template <class T>
struct rule<T, kind::sequence> : plain_rule<count_bytes, typename T::value_type> {
  using E = typename T::value_type;
  static constexpr bool in_one_piece = is_flat<E> && requires(T& t, std::size_t n) {
    t.resize(n);
    { t.data() } -> std::same_as<E*>;
  };
  static void encode(writer& w, const T& value) {
    const auto level = w.descend();
    const auto n = static_cast<std::size_t>(std::distance(value.begin(), value.end()));
    w.size(n);
    if constexpr (in_one_piece) {
      w.raw_of(value, value.data(), n);
    } else {
      const auto alive = w.elements_of(value);
      for (const auto& element : value) put_element<E>(w, element);
    }
  }
  static void decode(reader& r, T& value) {
    const auto level = r.descend();
    if constexpr (in_one_piece) {
      take_in_one_piece(r, value);
    } else if constexpr (forward_list_like<T>) {
      value.clear();
      auto last = value.before_begin();
      for (auto n = r.size(least_bytes<E>); n != 0; --n) last = value.insert_after(last, take_element<E>(r));
    } else {
      value.clear();
      auto n = r.size(least_bytes<E>);
      for (reserve_some(value, n); n != 0; --n) value.push_back(take_element<E>(r));
    }
  }
  static void describe(structure& s) { s.group<E>("[", "]"); }
};

// A set does not check that its elements come in order, nor that they differ: the structure of a multiset is the same.
template <class T>
struct rule<T, kind::set> : plain_rule<count_bytes, typename T::key_type> {
  using E = typename T::key_type;
  static void encode(writer& w, const T& value) {
    const auto level = w.descend();
    w.size(value.size());
    const auto alive = w.elements_of(value);
    for (const auto& element : value) put_element<E>(w, element);
  }
  static void decode(reader& r, T& value) {
    const auto level = r.descend();
    value.clear();
    for (auto n = r.size(least_bytes<E>); n != 0; --n) value.insert(value.end(), take_element<E>(r));
  }
  static void describe(structure& s) { s.group<E>("set<", ">"); }
};

template <class T>
struct rule<T, kind::map> : plain_rule<count_bytes, typename T::key_type, typename T::mapped_type> {
  using K = typename T::key_type;
  using M = typename T::mapped_type;
  static void encode(writer& w, const T& value) {
    const auto level = w.descend();
    w.size(value.size());
    const auto alive = w.elements_of(value);
    for (const auto& [key, mapped] : value) {
      put_element<K>(w, key);
      w.put(mapped);
    }
  }
  static void decode(reader& r, T& value) {
    const auto level = r.descend();
    value.clear();
    for (auto n = r.size(least_bytes<K> + least_bytes<M>); n != 0; --n) {
      auto key = take_element<K>(r);
      value.emplace_hint(value.end(), std::move(key), r.take<M>());
    }
  }
  static void describe(structure& s) { s.group<K, M>("map<", ">"); }
};

}  // namespace kin::detail
