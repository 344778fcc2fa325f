// SPDX-License-Identifier: BSL-1.0
// A task whose worker dies, or that throws a kin::retryable, may be tried again.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <string>

#include <kin/pool.hpp>

struct busy : kin::retryable {
  using kin::retryable::retryable;
};
inline const kin::transportable<busy> busy_registration;

// Each attempt leaves a mark for the next one: the first throws, the second crashes.
int fetch(const std::filesystem::path& marks) {
  std::filesystem::create_directories(marks);
  const auto attempt = std::distance(std::filesystem::directory_iterator(marks), {}) + 1;
  std::filesystem::create_directory(marks / std::to_string(attempt));
  if (attempt == 1) throw busy("try again");
  if (attempt == 2) std::abort();
  return static_cast<int>(attempt);
}

int main() {
  kin::init();
  const auto marks = std::filesystem::temp_directory_path() / ("kin-retries-" + std::to_string(getpid()));
  kin::pool workers(1);
  std::cout << "done in attempt " << workers.apply({.retries = 5}, fetch, marks) << "\n";
  std::filesystem::remove_all(marks);
}
