// SPDX-License-Identifier: BSL-1.0
// elf_symbols: the names in files that are large, cut off, or no programs.
#include "os/elf_symbols.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

namespace {

namespace fs = std::filesystem;

class elf_symbols : public testing::Test {
 protected:
  elf_symbols() { fs::copy_file("/proc/self/exe", path_); }
  ~elf_symbols() override { fs::remove(path_); }
  [[nodiscard]] std::string name_at_entry() const {
    std::uint64_t entry = 0;
    std::ifstream file("/proc/self/exe", std::ios::binary);
    file.seekg(24);  // e_entry
    file.read(reinterpret_cast<char*>(&entry), sizeof entry);
    return kin::os::elf_symbols(path_).symbol_beginning_at(entry);
  }
  const fs::path path_ = fs::temp_directory_path() / ("kin-elf-" + std::to_string(::getpid()));
};

TEST_F(elf_symbols, name_the_functions_of_a_program) { EXPECT_EQ(name_at_entry(), "_start"); }

// Sparse: it takes no room on disk, but would in memory.
TEST_F(elf_symbols, of_a_huge_file_cost_no_more_than_the_symbols) {
  std::error_code refused;
  fs::resize_file(path_, std::uintmax_t{1} << 40, refused);
  if (refused) GTEST_SKIP() << "no file here is so large: " << refused.message();
  EXPECT_EQ(name_at_entry(), "_start");
}

TEST_F(elf_symbols, of_what_was_cut_off_anywhere_are_some_or_none) {
  for (std::uintmax_t size = fs::file_size(path_); size > 0; size /= 2) {
    fs::resize_file(path_, size - 1);
    const std::string name = name_at_entry();
    EXPECT_TRUE(name.empty() || name == "_start") << name;
  }
}

}  // namespace
