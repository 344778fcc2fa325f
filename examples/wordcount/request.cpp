// SPDX-License-Identifier: BSL-1.0
#include "request.hpp"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <system_error>

#include "text.hpp"

namespace wordcount {

namespace {

std::size_t number_of_workers(const std::string& text) {
  std::size_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size() || n < 1 || n > 500)
    throw refusal(fmt::format("--workers takes a number from 1 to 500, not \"{}\"", printable(text)));
  return n;
}

}  // namespace

request read_request(const std::vector<std::string>& arguments, std::size_t cpus) {
  request asked{.workers = cpus};
  bool directory_given = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--help" || argument == "-h") {
      asked.help = true;
      return asked;
    }
    if (argument.starts_with("--workers=")) {
      asked.workers = number_of_workers(argument.substr(argument.find('=') + 1));
    } else if (argument == "--workers") {
      asked.workers = number_of_workers(++i < arguments.size() ? arguments[i] : "");
    } else if (argument.starts_with("-")) {
      throw refusal(fmt::format("there is no option {}; see wordcount --help", printable(argument)));
    } else if (directory_given) {
      throw refusal(fmt::format("one directory at a time; {} is one too many", printable(argument)));
    } else {
      asked.directory = argument;
      directory_given = true;
    }
  }
  std::error_code failed;
  if (!std::filesystem::is_directory(asked.directory, failed))
    throw refusal(fmt::format("{}: {}", printable(asked.directory), failed ? failed.message() : "not a directory"));
  return asked;
}

}  // namespace wordcount
