// SPDX-License-Identifier: BSL-1.0
// request: what the user of wordcount asks for, read from the command line.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace wordcount {

inline constexpr std::string_view usage = R"(wordcount [DIRECTORY] [--workers N]

Counts the words in every text file below DIRECTORY (/usr/include) with N processes (one for each available CPU), beside
the same with one process. Writes timeline.svg, a picture of who did what when, into the current directory.
)";

struct request {
  std::string directory = "/usr/include";
  std::size_t workers = 1;
  bool help = false;
};

/// Says what is wrong with the command line.
struct refusal : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws refusal: an unknown option, a bad number, no such directory.
request read_request(const std::vector<std::string>& arguments, std::size_t cpus);

}  // namespace wordcount
