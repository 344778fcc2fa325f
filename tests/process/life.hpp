// SPDX-License-Identifier: BSL-1.0
// life: small things that the tests of process/ share: both ways to start, and what /proc tells of a process.
#pragma once

#include <kin/process/process.hpp>
#include <kin/transport/connection.hpp>

#include <gtest/gtest.h>

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

namespace kin_test {

using namespace std::chrono_literals;

inline void nap(std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }

inline std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  try {
    return {std::istreambuf_iterator<char>(file), {}};
  } catch (const std::ios_base::failure&) {
    return {};  // a process that ends while its file is read
  }
}

/// Alive and no zombie.
inline bool runs(int pid) {
  const std::string stat = contents("/proc/" + std::to_string(pid) + "/stat");
  const auto close = stat.rfind(')');
  return close != std::string::npos && stat.at(close + 2) != 'Z' && stat.at(close + 2) != 'X';
}

template <class Condition>
bool becomes_true(Condition condition, std::chrono::milliseconds within) {
  const auto end = std::chrono::steady_clock::now() + within;
  while (std::chrono::steady_clock::now() < end) {
    if (condition()) return true;
    nap(2ms);
  }
  return condition();
}

/// A file that is removed with its folder.
struct temporary_folder {
  temporary_folder() {
    std::string name = std::filesystem::temp_directory_path() / "kin-process-XXXXXX";
    if (!::mkdtemp(name.data())) std::abort();
    path = name;
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::filesystem::path path;
};

/// A start method that has crossed to another process as a number.
inline kin::start_method method_of(int number) {
  for (const kin::start_method m : {kin::start_method(kin::start::fork), kin::start_method(kin::start::forkserver)})
    if (static_cast<int>(m.which()) == number) return m;
  return kin::start::spawn;
}

/// Runs over every start method.
class every_start : public testing::TestWithParam<kin::start_method> {
 protected:
  static kin::process_options with(kin::process_options options = {}) {
    options.start = GetParam();
    return options;
  }
};

inline const auto start_methods =
    testing::Values(kin::start_method(kin::start::spawn), kin::start_method(kin::start::forkserver),
                    kin::start_method(kin::start::fork));
inline std::string start_name(const testing::TestParamInfo<kin::start_method>& info) {
  return std::string(info.param.name());
}

}  // namespace kin_test
