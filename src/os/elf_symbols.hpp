// SPDX-License-Identifier: BSL-1.0
// elf_symbols: the functions of an ELF file by address, static ones and lambdas too, without -rdynamic or -g.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kin::os {

/// Reads .symtab, or .dynsym where the file is stripped. A file that cannot be read, or is damaged, has no symbols.
class elf_symbols {
 public:
  explicit elf_symbols(const std::string& path);
  /// Virtual address of a place in the file.
  [[nodiscard]] std::uint64_t address_of(std::uint64_t file_offset) const;
  /// Mangled name of the function that begins at the address; empty when none does.
  [[nodiscard]] std::string symbol_beginning_at(std::uint64_t address) const;
  /// Demangled name of the function that holds the address; empty when none does.
  [[nodiscard]] std::string function_at(std::uint64_t address) const;

 private:
  struct segment {
    std::uint64_t offset, size, address;
  };
  struct symbol {
    std::uint64_t address, size;
    std::string name;
  };
  void read(const std::string& path);
  std::vector<segment> segments_;
  std::vector<symbol> symbols_;
};

}  // namespace kin::os
