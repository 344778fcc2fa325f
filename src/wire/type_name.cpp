// SPDX-License-Identifier: BSL-1.0
// type_name: demangling.
#include "wire/type_name.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <string_view>

namespace kin::detail {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

/// "(anonymous namespace)::job::run(int)::" -> "job::run(int)"
std::string enclosing_scope(std::string scope) {
  replace_all(scope, "(anonymous namespace)::", "");
  while (scope.ends_with(':')) scope.pop_back();
  return scope;
}

}  // namespace

std::string readable_name(const char* mangled) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> demangled(abi::__cxa_demangle(mangled, nullptr, nullptr, &status),
                                                         &std::free);
  std::string text = status == 0 && demangled ? demangled.get() : mangled;
  replace_all(text, "std::__cxx11::", "std::");
  replace_all(text, "::__cxx11::", "::");
  replace_all(text, "[abi:cxx11]", "");
  replace_all(text, "std::basic_string<char, std::char_traits<char>, std::allocator<char> >", "std::string");
  replace_all(text, "std::basic_string_view<char, std::char_traits<char> >", "std::string_view");
  return text;
}

std::string callee_name(const std::type_info& callee) {
  auto text = readable_name(callee);
  // g++ calls a closure main::{lambda(int)#1}, clang main::$_0 or main::'lambda'(int).
  for (const std::string_view mark : {"{lambda(", "$_", "'lambda"})
    if (const auto at = text.find(mark); at != std::string::npos) {
      const auto scope = enclosing_scope(text.substr(0, at));
      return scope.empty() ? "lambda" : "lambda in " + scope;
    }
  if (const auto star = text.find("(*)"); star != std::string::npos) {
    text.erase(star, 3);
    if (star > 0 && text[star - 1] == ' ') text.erase(star - 1, 1);
    return "function " + text;
  }
  return text;
}

}  // namespace kin::detail
