// SPDX-License-Identifier: BSL-1.0
// standard_types: how numbers and the standard library's single values cross. Containers, pointers and the user's
// own classes have headers of their own; all are rules of kin/wire/kind.hpp, found through kin/wire/codec.hpp.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>

#include <kin/wire/reader.hpp>
#include <kin/wire/structure.hpp>
#include <kin/wire/writer.hpp>

namespace kin::detail {

static_assert(std::endian::native == std::endian::little, "kin: numbers travel as little-endian bytes");

/// The name of a type as a person reads it. "?" if it has none.
KIN_EXPORT std::string demangled(const std::type_info& type);

// What most rules have in common: made of nothing else, some bytes, not flat.
template <std::size_t Least, class... Part>
struct plain_rule {
  using parts = types<Part...>;
  static constexpr std::size_t least = Least;
  static constexpr bool flat = false;
};

template <class T>
struct rule<T, kind::empty> : plain_rule<0> {
  static void encode(writer&, const T&) {}
  static void decode(reader&, T&) {}
  static void describe(structure& s) { s.name("{}"); }
};

template <class T>
struct rule<T, kind::boolean> : plain_rule<1> {
  static void encode(writer& w, const T& value) {
    const std::uint8_t byte = static_cast<bool>(value) ? 1 : 0;
    w.raw(&byte, 1);
  }
  static void decode(reader& r, T& value) {
    std::uint8_t byte = 0;
    r.raw(&byte, 1);
    if (byte > 1) cannot_decode("a bool that is neither 0 nor 1");
    value = static_cast<T>(byte == 1);
  }
  static void describe(structure& s) { s.name("bool"); }
};

template <class T>
std::string number_name() {
  if constexpr (std::is_enum_v<T>)
    return number_name<std::underlying_type_t<T>>();
  else if constexpr (std::is_same_v<T, char>)
    return "char";
  else if constexpr (std::is_same_v<T, char8_t> || std::is_same_v<T, char16_t> || std::is_same_v<T, char32_t> ||
                     std::is_same_v<T, wchar_t>)
    return std::string("c") + std::to_string(sizeof(T) * 8);
  else
    return std::string(std::is_floating_point_v<T> ? "f"
                       : std::is_signed_v<T>       ? "i"
                                                   : "u") +
           std::to_string(sizeof(T) * 8);
}

// An enum without a fixed underlying type may come back with a value between its enumerators: only its author knows
// which are valid.
template <class T>
struct rule<T, kind::number> : plain_rule<sizeof(T)> {
  static constexpr bool flat = true;
  static void encode(writer& w, const T& value) { w.raw(&value, sizeof value); }
  static void decode(reader& r, T& value) { r.raw(&value, sizeof value); }
  static void describe(structure& s) { s.name(number_name<T>()); }
};

// x87's long double has 10 bytes of value and 6 of padding, which may hold anything: they travel as zero.
template <class T>
struct rule<T, kind::long_double> : plain_rule<sizeof(T)> {
  static constexpr bool x87 = std::numeric_limits<T>::digits == 64;
  static void encode(writer& w, const T& value) {
    std::byte bytes[sizeof(T)] = {};
    std::memcpy(bytes, &value, x87 ? 10 : sizeof(T));
    w.raw(bytes, sizeof bytes);
  }
  static void decode(reader& r, T& value) { r.raw(&value, sizeof value); }
  static void describe(structure& s) { s.name(x87 ? "f80" : sizeof(T) == 16 ? "f128" : "f64"); }
};

template <class T>
struct rule<T, kind::duration> : plain_rule<least_bytes<typename T::rep>, typename T::rep> {
  static void encode(writer& w, const T& value) { w.put(value.count()); }
  static void decode(reader& r, T& value) { value = T(r.take<typename T::rep>()); }
  static void describe(structure& s) {
    s.open("duration<");
    s.add<typename T::rep>();
    s.name(std::to_string(T::period::num) + "/" + std::to_string(T::period::den));
    s.close(">");
  }
};

template <class T>
struct rule<T, kind::time_point> : plain_rule<least_bytes<typename T::duration>, typename T::duration> {
  static void encode(writer& w, const T& value) { w.put(value.time_since_epoch()); }
  static void decode(reader& r, T& value) { value = T(r.take<typename T::duration>()); }
  static void describe(structure& s) {
    using clock = typename T::clock;
    s.open("time_point<");
    s.name(std::is_same_v<clock, std::chrono::system_clock>   ? "system"
           : std::is_same_v<clock, std::chrono::steady_clock> ? "steady"
                                                              : demangled(typeid(clock)));
    s.add<typename T::duration>();
    s.close(">");
  }
};

// year, month, day and weekday by number, the composed ones by their parts. Values that are not ok() cross as they are.
template <class T>
struct rule<T, kind::calendar> : plain_rule<1> {
  static void encode(writer& w, const T& value) {
    if constexpr (std::is_same_v<T, std::chrono::year>)
      w.put(static_cast<std::int16_t>(static_cast<int>(value)));
    else if constexpr (std::is_same_v<T, std::chrono::weekday>)
      w.put(static_cast<std::uint8_t>(value.c_encoding()));
    else if constexpr (std::is_same_v<T, std::chrono::month> || std::is_same_v<T, std::chrono::day>)
      w.put(static_cast<std::uint8_t>(static_cast<unsigned>(value)));
    else if constexpr (std::is_same_v<T, std::chrono::month_day>)
      w(value.month(), value.day());
    else if constexpr (std::is_same_v<T, std::chrono::year_month>)
      w(value.year(), value.month());
    else
      w(value.year(), value.month(), value.day());
  }
  static T take(reader& r) {
    namespace chrono = std::chrono;
    if constexpr (std::is_same_v<T, chrono::year>)
      return T{r.take<std::int16_t>()};
    else if constexpr (std::is_same_v<T, chrono::month_day>)
      return T{r.take<chrono::month>(), r.take<chrono::day>()};
    else if constexpr (std::is_same_v<T, chrono::year_month>)
      return T{r.take<chrono::year>(), r.take<chrono::month>()};
    else if constexpr (std::is_same_v<T, chrono::year_month_day>)
      return T{r.take<chrono::year>(), r.take<chrono::month>(), r.take<chrono::day>()};
    else
      return T{r.take<std::uint8_t>()};
  }
  static void describe(structure& s) { s.name(demangled(typeid(T))); }
};

template <class T>
struct rule<T, kind::complex> : plain_rule<2 * least_bytes<typename T::value_type>, typename T::value_type> {
  static void encode(writer& w, const T& value) { w(value.real(), value.imag()); }
  static void decode(reader& r, T& value) {
    const auto real = r.take<typename T::value_type>();
    value = T(real, r.take<typename T::value_type>());
  }
  static constexpr bool flat = is_flat<typename T::value_type> && std::is_trivially_copyable_v<T>;
  static void describe(structure& s) { s.group<typename T::value_type>("complex<", ">"); }
};

// Whatever has native() and preferred_separator: std::filesystem::path, without its header.
template <class T>
struct rule<T, kind::path> : plain_rule<sizeof(std::uint64_t)> {
  static void encode(writer& w, const T& value) { w.put(value.native()); }
  static void decode(reader& r, T& value) { value = T(r.take<typename T::string_type>()); }
  static void describe(structure& s) { s.name("path"); }
};

template <std::size_t N>
struct rule<std::bitset<N>, kind::bitset> : plain_rule<(N + 7) / 8> {
  static void encode(writer& w, const std::bitset<N>& value) {
    std::uint8_t bytes[(N + 7) / 8 + 1] = {};
    for (std::size_t i = 0; i < N; ++i)
      if (value[i]) bytes[i / 8] = static_cast<std::uint8_t>(bytes[i / 8] | 1u << i % 8);
    w.raw(bytes, (N + 7) / 8);
  }
  static void decode(reader& r, std::bitset<N>& value) {
    const auto bytes = r.view((N + 7) / 8);
    if (N % 8 != 0 && std::to_integer<unsigned>(bytes.back()) >> N % 8 != 0)
      cannot_decode("a bitset has bits beyond its size");
    for (std::size_t i = 0; i < N; ++i) value[i] = (std::to_integer<unsigned>(bytes[i / 8]) >> i % 8 & 1u) != 0;
  }
  static void describe(structure& s) { s.name(std::string("bit*") + std::to_string(N)); }
};

/// The category of that name if it is one of the standard library's; encode or decode errors otherwise.
KIN_EXPORT const char* category_to_send(const std::error_category& category);
KIN_EXPORT const std::error_category& category_named(std::string_view name);

template <class T>
struct rule<T, kind::error_code> : plain_rule<sizeof(std::int32_t) + sizeof(std::uint64_t)> {
  static void encode(writer& w, const T& value) {
    w(static_cast<std::int32_t>(value.value()), std::string(category_to_send(value.category())));
  }
  static void decode(reader& r, T& value) {
    const auto number = r.take<std::int32_t>();
    value = T(number, category_named(r.take<std::string>()));
  }
  static void describe(structure& s) { s.name(std::is_same_v<T, std::error_code> ? "error_code" : "error_condition"); }
};

template <class T>
struct rule<T, kind::optional> : plain_rule<1, typename T::value_type> {
  static void encode(writer& w, const T& value) {
    w.put(value.has_value());
    if (value) w.put(*value);
  }
  static void decode(reader& r, T& value) {
    value.reset();
    if (r.take<bool>()) value.emplace(r.take<std::remove_const_t<typename T::value_type>>());
  }
  static void describe(structure& s) { s.group<typename T::value_type>("?", ""); }
};

template <class... A>
struct rule<std::variant<A...>, kind::variant> : plain_rule<sizeof(std::uint32_t), A...> {
  using T = std::variant<A...>;
  static void encode(writer& w, const T& value) {
    if (value.valueless_by_exception()) cannot_encode("a std::variant holds no value (valueless_by_exception)");
    w.put(static_cast<std::uint32_t>(value.index()));
    std::visit([&](const auto& alternative) { w.put(alternative); }, value);
  }
  static T take(reader& r) { return take_from<0>(r, r.take<std::uint32_t>()); }
  static void describe(structure& s) { s.group<A...>("<", ">"); }

 private:
  // No instance beyond the last alternative, that would do nothing but throw: clang 16 takes its result, of at most
  // eight bytes and none, for that of all (-O1 and above).
  template <std::size_t I>
  static T take_from(reader& r, std::uint32_t index) {
    if constexpr (I + 1 < sizeof...(A)) {
      if (index != I) return take_from<I + 1>(r, index);
    } else {
      if (index != I) cannot_decode("a variant's index is out of range");
    }
    return T(std::in_place_index<I>, r.take<std::remove_const_t<std::variant_alternative_t<I, T>>>());
  }
};

}  // namespace kin::detail
