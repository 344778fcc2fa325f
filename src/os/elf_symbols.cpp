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

// Only what is asked for is read: most of a large program is no symbols.
class elf_file {
 public:
  explicit elf_file(const std::string& path) : in_(path, std::ios::binary | std::ios::ate) {
    if (in_) size_ = static_cast<std::uint64_t>(std::max<std::streamoff>(in_.tellg(), 0));
  }
  /// As much of it as there is.
  std::vector<std::byte> part(std::uint64_t offset, std::uint64_t size) {
    if (offset >= size_) return {};
    std::vector<std::byte> bytes(std::min(size, size_ - offset));
    in_.clear();
    in_.seekg(static_cast<std::streamoff>(offset));
    in_.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    bytes.resize(static_cast<std::size_t>(std::max<std::streamsize>(in_.gcount(), 0)));
    return bytes;
  }

 private:
  std::ifstream in_;
  std::uint64_t size_ = 0;
};

template <class T>
std::optional<T> at(const std::vector<std::byte>& part, std::uint64_t offset) {
  if (offset > part.size() || part.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, part.data() + offset, sizeof value);
  return value;
}

std::string text_at(const std::vector<std::byte>& names, std::uint64_t offset) {
  if (offset >= names.size()) return {};
  const auto* p = reinterpret_cast<const char*>(names.data()) + offset;
  return {p, ::strnlen(p, names.size() - offset)};
}

std::string demangled(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status),
                                                    &std::free);
  return status == 0 ? text.get() : name;
}

}  // namespace

elf_symbols::elf_symbols(const std::string& path) {
  read(path);
  std::sort(symbols_.begin(), symbols_.end(), [](const auto& a, const auto& b) { return a.address < b.address; });
}

void elf_symbols::read(const std::string& path) {
  elf_file file(path);
  const auto header = at<ElfW(Ehdr)>(file.part(0, sizeof(ElfW(Ehdr))), 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return;
  const auto segments = file.part(header->e_phoff, header->e_phnum * sizeof(ElfW(Phdr)));
  for (unsigned i = 0; i < header->e_phnum; ++i)
    if (const auto p = at<ElfW(Phdr)>(segments, i * sizeof(ElfW(Phdr))); p && p->p_type == PT_LOAD)
      segments_.push_back({p->p_offset, p->p_filesz, p->p_vaddr});
  const auto sections = file.part(header->e_shoff, header->e_shnum * sizeof(ElfW(Shdr)));
  for (const unsigned wanted : {unsigned{SHT_SYMTAB}, unsigned{SHT_DYNSYM}})
    for (unsigned i = 0; i < header->e_shnum && symbols_.empty(); ++i) {
      const auto table = at<ElfW(Shdr)>(sections, i * sizeof(ElfW(Shdr)));
      if (!table || table->sh_type != wanted) continue;
      const auto its_names = at<ElfW(Shdr)>(sections, table->sh_link * sizeof(ElfW(Shdr)));
      if (!its_names) continue;
      const auto symbols = file.part(table->sh_offset, table->sh_size);
      const auto names = file.part(its_names->sh_offset, its_names->sh_size);
      for (std::uint64_t k = 0; k < symbols.size() / sizeof(ElfW(Sym)); ++k) {
        const auto s = at<ElfW(Sym)>(symbols, k * sizeof(ElfW(Sym)));
        const unsigned type = s->st_info & 0xf;
        if ((type == STT_FUNC || type == STT_GNU_IFUNC) && s->st_value != 0)
          symbols_.push_back({s->st_value, s->st_size, text_at(names, s->st_name)});
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
