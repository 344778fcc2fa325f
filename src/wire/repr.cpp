// SPDX-License-Identifier: BSL-1.0
// repr: text and numbers; the rules are those of CPython's unicode_repr (Objects/unicodeobject.c) and float_repr
// (Python/pystrtod.c, format code 'r').
#include <kin/wire/repr.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>

namespace kin::detail {
namespace {

struct code_point {
  char32_t value;
  std::size_t size;
};

// One code point of valid UTF-8 (RFC 3629: no overlong forms, no surrogates), or nothing.
std::optional<code_point> next_code_point(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return code_point{lead, 1};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return std::nullopt;
  char32_t value = lead & (0xffu >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0u) != 0x80) return std::nullopt;
    value = (value << 6) | (byte(i) & 0x3fu);
  }
  constexpr std::array<char32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
  if (value < least[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return std::nullopt;
  return code_point{value, size};
}

// The ranges of Unicode that str.isprintable() calls unprintable and that people meet: controls, formats, separators
// but the space, private use. Unassigned code points are kept as they are: the table would be Unicode's own.
bool is_printable(char32_t c) {
  struct range {
    char32_t first, last;
  };
  constexpr std::array<range, 15> unprintable{{{0, 0x1f},
                                               {0x7f, 0xa0},
                                               {0xad, 0xad},
                                               {0x600, 0x605},
                                               {0x61c, 0x61c},
                                               {0x1680, 0x1680},
                                               {0x180e, 0x180e},
                                               {0x2000, 0x200f},
                                               {0x2028, 0x202f},
                                               {0x205f, 0x206f},
                                               {0x3000, 0x3000},
                                               {0xe000, 0xf8ff},
                                               {0xfeff, 0xfeff},
                                               {0xfff9, 0xfffb},
                                               {0xe0001, 0x10ffff}}};
  for (const range& r : unprintable)
    if (c >= r.first && c <= r.last) return false;
  return true;
}

void append_hex(std::string& out, const char* prefix, char32_t value, int digits) {
  out += prefix;
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out += "0123456789abcdef"[(value >> shift) & 0xfu];
}

void append_escaped(std::string& out, char32_t c) {
  if (c == '\n')
    out += "\\n";
  else if (c == '\r')
    out += "\\r";
  else if (c == '\t')
    out += "\\t";
  else if (c < 0x100)
    append_hex(out, "\\x", c, 2);
  else if (c < 0x10000)
    append_hex(out, "\\u", c, 4);
  else
    append_hex(out, "\\U", c, 8);
}

template <class Float>
std::string shortest(Float value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::array<char, 64> buffer{};
  const auto scientific =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  const std::string_view text(buffer.data(), static_cast<std::size_t>(scientific.ptr - buffer.data()));
  const auto e = text.find('e');
  int exponent = 0;
  const char* digits = text.data() + e + 1 + (text[e + 1] == '+' ? 1 : 0);
  std::from_chars(digits, scientific.ptr, exponent);
  if (exponent < -4 || exponent >= 16) return std::string(text);
  const auto plain = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
  std::string result(buffer.data(), plain.ptr);
  if (result.find('.') == std::string::npos) result += ".0";
  return result;
}

}  // namespace

std::string repr_of_text(std::string_view text) {
  const bool double_quotes = text.find('\'') != text.npos && text.find('"') == text.npos;
  const char quote = double_quotes ? '"' : '\'';
  std::string out(1, quote);
  while (!text.empty()) {
    const auto c = next_code_point(text);
    if (!c) {
      append_hex(out, "\\x", static_cast<unsigned char>(text[0]), 2);
      text.remove_prefix(1);
      continue;
    }
    if (c->value == static_cast<unsigned char>(quote) || c->value == '\\')
      (out += '\\') += static_cast<char>(c->value);
    else if (is_printable(c->value))
      out += text.substr(0, c->size);
    else
      append_escaped(out, c->value);
    text.remove_prefix(c->size);
  }
  out += quote;
  return out;
}

std::string repr_of_number(double value) { return shortest(value); }
std::string repr_of_number(float value) { return shortest(value); }

}  // namespace kin::detail
