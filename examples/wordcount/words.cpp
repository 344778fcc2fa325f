// SPDX-License-Identifier: BSL-1.0
#include "words.hpp"

#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <climits>
#include <cstring>
#include <cwchar>
#include <cwctype>
#include <fstream>
#include <ios>
#include <limits>
#include <system_error>
#include <utility>

namespace wordcount {

namespace {

std::string last_error() { return std::error_code(errno, std::generic_category()).message(); }

// Lower case of the ASCII characters that words are made of; 0 for all others.
constexpr std::array<char, 256> make_word_characters() {
  std::array<char, 256> lower{};
  for (unsigned char c = '0'; c <= '9'; ++c) lower[c] = static_cast<char>(c);
  for (unsigned char c = 'a'; c <= 'z'; ++c) lower[c] = static_cast<char>(c);
  for (unsigned char c = 'A'; c <= 'Z'; ++c) lower[c] = static_cast<char>(c - 'A' + 'a');
  lower['_'] = '_';
  return lower;
}
constexpr std::array<char, 256> word_characters = make_word_characters();

// Appends the character that `text` begins with to `word`, in lower case, if it is a letter or digit of any script.
// Returns its length; what is no UTF-8 is a separator of one byte.
std::size_t take_wide(std::string_view text, std::string& word, bool& separates) {
  std::mbstate_t state{};
  wchar_t c = 0;
  const std::size_t length = std::mbrtowc(&c, text.data(), text.size(), &state);
  const bool valid = length != 0 && length <= text.size();
  separates = !valid || !std::iswalnum(static_cast<std::wint_t>(c));
  if (!separates) {
    std::array<char, MB_LEN_MAX> bytes{};
    std::mbstate_t fresh{};
    const auto lower = static_cast<wchar_t>(std::towlower(static_cast<std::wint_t>(c)));
    word.append(bytes.data(), std::wcrtomb(bytes.data(), lower, &fresh));
  }
  return valid ? length : 1;
}

// A word is a run of letters, digits and underscores that does not begin with a digit and is not all underscores.
void count_into(word_counts& counts, std::string_view text) {
  std::string word;
  const auto finish = [&] {
    if (word.find_first_not_of('_') != std::string::npos && !(word[0] >= '0' && word[0] <= '9')) {
      if (const auto known = counts.find(word); known != counts.end())
        ++known->second;
      else
        counts.emplace(word, 1);
    }
    word.clear();
  };
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (const char lower = word_characters[byte]; lower != 0) {
      word += lower;
      ++at;
    } else {
      bool separates = true;
      at += byte < 0x80 ? 1 : take_wide(text.substr(at), word, separates);
      if (separates) finish();
    }
  }
  finish();
}

std::string read_piece(std::ifstream& in, const piece& part) {
  const auto end = static_cast<std::streamoff>(part.offset + part.size);
  if (part.offset != 0) {  // the line that reaches into this piece belongs to the one before
    in.seekg(static_cast<std::streamoff>(part.offset) - 1);
    in.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  const std::streamoff begin = in.tellg();
  if (!in || begin >= end) return {};
  std::string text(static_cast<std::size_t>(end - begin), '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (std::string rest; in && text.back() != '\n' && std::getline(in, rest)) text += rest;
  return text;
}

}  // namespace

survey look_at(const std::vector<std::string>& paths) {
  survey seen;
  std::vector<char> buffer(1 << 18);
  for (const std::string& path : paths) {
    std::ifstream in(path, std::ios::binary);
    std::uint64_t size = 0;
    bool binary = false;
    while (in && !binary) {
      in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
      const auto got = static_cast<std::size_t>(in.gcount());
      binary = std::memchr(buffer.data(), 0, got) != nullptr;
      size += got;
    }
    if (!in.is_open() || in.bad())
      seen.problems.push_back({path, last_error()});
    else if (binary)
      seen.problems.push_back({path, "binary"});
    else
      seen.texts.push_back({path, size});
  }
  return seen;
}

tally count_words(const std::vector<piece>& pieces) {
  tally found;
  found.worker = getpid();
  found.begin = std::chrono::steady_clock::now();
  word_counts counts;
  for (const piece& part : pieces) {
    std::ifstream in(part.path, std::ios::binary);
    if (in.is_open()) count_into(counts, read_piece(in, part));
    if (!in.is_open() || in.bad()) found.problems.push_back({part.path, last_error()});
  }
  found.words.assign(counts.begin(), counts.end());
  found.end = std::chrono::steady_clock::now();
  return found;
}

}  // namespace wordcount
