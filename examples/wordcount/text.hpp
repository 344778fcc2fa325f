// SPDX-License-Identifier: BSL-1.0
// text: UTF-8 for people. Words and names of files may be anything; what is shown must be readable and stay in line.
#pragma once

#include <cstddef>
#include <string>

namespace wordcount {

/// Tells this process that text is UTF-8, whatever the user's locale. For every process that works with text.
void use_utf8();

/// What is not printable UTF-8, as question marks.
std::string printable(const std::string& text);

/// Cut or filled up to so many columns of a terminal; a Chinese character takes two.
std::string fitted(const std::string& text, std::size_t columns);

}  // namespace wordcount
