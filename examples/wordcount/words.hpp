// SPDX-License-Identifier: BSL-1.0
// words: what a worker of wordcount does: it looks whether files are text, and counts the words in pieces of them.
// Plain functions on plain structs: kin carries them to the workers and back as they are.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace wordcount {

// Not noexcept, so that the table keeps the hashes: computing them anew on each step would cost a tenth of the time.
struct text_hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
/// Words in lower case, and how often each was met.
using word_counts = std::unordered_map<std::string, std::uint64_t, text_hash, std::equal_to<>>;
/// The same on its way: who only reads them once needs no table.
using word_list = std::vector<std::pair<std::string, std::uint64_t>>;

/// A file that was not counted, or not wholly, and why.
struct problem {
  std::string path, reason;
};

struct text_file {
  std::string path;
  std::uint64_t size = 0;
};

struct survey {
  std::vector<text_file> texts;
  std::vector<problem> problems;
};

/// The lines of a file that begin in [offset, offset + size). A line is in exactly one piece, and so is a word.
struct piece {
  std::string path;
  std::uint64_t offset = 0, size = 0;
};

/// What a worker found in some pieces, who it was and when.
struct tally {
  word_list words;
  std::vector<problem> problems;
  int worker = 0;
  std::chrono::steady_clock::time_point begin, end;
};

/// Which of the files are text: readable, and without a zero byte.
survey look_at(const std::vector<std::string>& paths);

tally count_words(const std::vector<piece>& pieces);

}  // namespace wordcount
