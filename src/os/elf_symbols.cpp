// SPDX-License-Identifier: BSL-1.0
// elf_symbols: see the header. Format: System V ABI, chapters 4 and 5; man 5 elf. Every offset is checked: the file may
// have been replaced while it was read.
#include "os/elf_symbols.hpp"

#include <cxxabi.h>
#include <elf.h>
#include <link.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>

namespace kin::os {
namespace {

std::vector<std::byte> whole_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return {};
  const auto size = in.tellg();
  if (size <= 0) return {};
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(bytes.data()), size);
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  return bytes;
}

template <class T>
std::optional<T> at(const std::vector<std::byte>& file, std::uint64_t offset) {
  if (offset > file.size() || file.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, file.data() + offset, sizeof value);
  return value;
}

std::string text_at(const std::vector<std::byte>& file, std::uint64_t offset, std::uint64_t end) {
  end = std::min<std::uint64_t>(end, file.size());
  if (offset >= end) return {};
  const auto* p = reinterpret_cast<const char*>(file.data()) + offset;
  return {p, ::strnlen(p, end - offset)};
}

std::string demangled(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status),
                                                    &std::free);
  return status == 0 ? text.get() : name;
}

}  // namespace

elf_symbols::elf_symbols(const std::string& path) {
  read(whole_file(path));
  std::sort(symbols_.begin(), symbols_.end(), [](const auto& a, const auto& b) { return a.address < b.address; });
}

void elf_symbols::read(const std::vector<std::byte>& file) {
  const auto header = at<ElfW(Ehdr)>(file, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return;
  for (unsigned i = 0; i < header->e_phnum; ++i)
    if (const auto p = at<ElfW(Phdr)>(file, header->e_phoff + i * sizeof(ElfW(Phdr))); p && p->p_type == PT_LOAD)
      segments_.push_back({p->p_offset, p->p_filesz, p->p_vaddr});
  for (const unsigned wanted : {unsigned{SHT_SYMTAB}, unsigned{SHT_DYNSYM}})
    for (unsigned i = 0; i < header->e_shnum && symbols_.empty(); ++i) {
      const auto table = at<ElfW(Shdr)>(file, header->e_shoff + i * sizeof(ElfW(Shdr)));
      if (!table || table->sh_type != wanted) continue;
      const auto names = at<ElfW(Shdr)>(file, header->e_shoff + table->sh_link * sizeof(ElfW(Shdr)));
      if (!names) continue;
      for (std::uint64_t k = 0; k < table->sh_size / sizeof(ElfW(Sym)); ++k) {
        const auto s = at<ElfW(Sym)>(file, table->sh_offset + k * sizeof(ElfW(Sym)));
        if (!s) break;
        const unsigned type = s->st_info & 0xf;
        if ((type == STT_FUNC || type == STT_GNU_IFUNC) && s->st_value != 0)
          symbols_.push_back({s->st_value, s->st_size,
                              text_at(file, names->sh_offset + s->st_name, names->sh_offset + names->sh_size)});
      }
    }
}

std::uint64_t elf_symbols::address_of(std::uint64_t file_offset) const {
  for (const auto& s : segments_)
    if (file_offset >= s.offset && file_offset - s.offset < s.size) return file_offset - s.offset + s.address;
  return file_offset;
}

std::string elf_symbols::symbol_beginning_at(std::uint64_t address) const {
  const auto it = std::lower_bound(symbols_.begin(), symbols_.end(), address,
                                   [](const symbol& s, std::uint64_t a) { return s.address < a; });
  return it != symbols_.end() && it->address == address ? it->name : std::string();
}

std::string elf_symbols::function_at(std::uint64_t address) const {
  auto it = std::upper_bound(symbols_.begin(), symbols_.end(), address,
                             [](std::uint64_t a, const symbol& s) { return a < s.address; });
  if (it == symbols_.begin()) return {};
  --it;
  if (address >= it->address + std::max<std::uint64_t>(it->size, 1)) return {};
  return demangled(it->name);
}

}  // namespace kin::os
