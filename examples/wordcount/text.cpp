// SPDX-License-Identifier: BSL-1.0
#include "text.hpp"

#include <wchar.h>

#include <clocale>
#include <cwctype>
#include <string_view>

namespace wordcount {

namespace {

struct character {
  wchar_t code;
  std::size_t length;  // in bytes
  bool valid;
};

character first_of(std::string_view text) {
  std::mbstate_t state{};
  wchar_t code = 0;
  const std::size_t length = std::mbrtowc(&code, text.data(), text.size(), &state);
  const bool valid = length != 0 && length <= text.size();
  return {code, valid ? length : 1, valid && std::iswprint(static_cast<std::wint_t>(code)) != 0};
}

}  // namespace

void use_utf8() { std::setlocale(LC_CTYPE, "C.UTF-8"); }

std::string printable(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const character c = first_of(std::string_view(text).substr(at));
    if (c.valid)
      out.append(text, at, c.length);
    else
      out += '?';
    at += c.length;
  }
  return out;
}

std::string fitted(const std::string& text, std::size_t columns) {
  const std::string whole = printable(text);
  std::size_t used = 0, at = 0, cut = 0, used_at_cut = 0;  // the last place where an ellipsis still fits
  while (at < whole.size()) {
    const character c = first_of(std::string_view(whole).substr(at));
    const auto needed = static_cast<std::size_t>(std::max(0, wcwidth(c.code)));
    if (used + needed > columns) return whole.substr(0, cut) + "…" + std::string(columns - used_at_cut - 1, ' ');
    used += needed;
    at += c.length;
    if (used < columns) cut = at, used_at_cut = used;
  }
  return whole + std::string(columns - used, ' ');
}

}  // namespace wordcount
