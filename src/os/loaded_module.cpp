// SPDX-License-Identifier: BSL-1.0
// loaded_module: dl_iterate_phdr(3), ELF notes and dlopen(3).
#include "os/loaded_module.hpp"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/stat.h>

#include <climits>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "os/elf_symbols.hpp"
#include "os/fork_hooks.hpp"

namespace kin::os {
namespace {

/// Calls f(info, is_executable) for each loaded module until it returns true. The executable comes first.
template <class F>
void each_module(F f) {
  const std::lock_guard hold(loader_over_fork);
  std::pair<F*, bool> state{&f, true};
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* data) {
        auto& [function, first] = *static_cast<std::pair<F*, bool>*>(data);
        return static_cast<int>((*function)(*info, std::exchange(first, false)));
      },
      &state);
}

std::span<const ElfW(Phdr)> headers(const dl_phdr_info& info) { return {info.dlpi_phdr, info.dlpi_phnum}; }

/// An address of the loader's: it is a number in the program headers, and nowhere a pointer.
const void* at(ElfW(Addr) address) {
  return reinterpret_cast<const void*>(address);  // NOLINT(performance-no-int-to-ptr)
}

/// The build-id in the notes of one PT_NOTE segment; empty when there is none or the notes are damaged.
std::string build_id_in(std::span<const char> notes, std::size_t align) {
  align = align == 8 ? 8 : 4;
  const auto padded = [align](std::size_t n) { return (n + align - 1) & ~(align - 1); };
  while (notes.size() >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes.data(), sizeof note);
    const std::size_t name = sizeof note;
    const std::size_t text = name + padded(note.n_namesz);
    if (text > notes.size() || note.n_descsz > notes.size() - text) break;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(&notes[name], "GNU", 4) == 0)
      return {&notes[text], note.n_descsz};
    const std::size_t next = text + padded(note.n_descsz);
    if (next > notes.size()) break;
    notes = notes.subspan(next);
  }
  return {};
}

/// For modules without build-id: every segment's place and size. Another module may have the same: see is_module().
constexpr std::string_view fingerprint_mark = "phdr";
std::string fingerprint(std::span<const ElfW(Phdr)> segments) {
  std::uint64_t hash = 1469598103934665603U;
  for (const auto& s : segments)
    for (const std::uint64_t v :
         {std::uint64_t{s.p_type}, std::uint64_t{s.p_vaddr}, std::uint64_t{s.p_filesz}, std::uint64_t{s.p_memsz}})
      hash = (hash ^ v) * 1099511628211U;
  std::string text(fingerprint_mark);
  text.append(reinterpret_cast<const char*>(&hash), sizeof hash);
  return text;
}

std::string identity_of(const dl_phdr_info& info) {
  for (const auto& s : headers(info)) {
    if (s.p_type != PT_NOTE) continue;
    const auto* notes = static_cast<const char*>(at(info.dlpi_addr + s.p_vaddr));
    if (auto id = build_id_in({notes, s.p_memsz}, s.p_align); !id.empty()) return id;
  }
  return fingerprint(headers(info));
}

/// dlopen("./x.so") leaves a relative name in the loader's list; the other process may have another working directory.
std::string absolute_path(const char* name) {
  char resolved[PATH_MAX];
  return *name != '\0' && ::realpath(name, resolved) != nullptr ? resolved : name;
}

/// Whether that loaded module, of that identity, is the one of `place`.
bool is_module(const dl_phdr_info& info, bool is_executable, const std::string& identity, const module_place& place) {
  if (identity != place.identity) return false;
  if (!identity.starts_with(fingerprint_mark)) return true;
  return is_executable ? place.path.empty() : place.path == absolute_path(info.dlpi_name);
}

/// The part of `place` that one segment of `info` holds, or null.
const void* address_in(const dl_phdr_info& info, const module_place& place, std::size_t size, segment use) {
  // gold puts constants into the executable segment, so data may lie in any readable one.
  const ElfW(Word) wanted = use == segment::code ? PF_X : PF_R;
  for (const auto& s : headers(info)) {
    if (s.p_type != PT_LOAD || (s.p_flags & wanted) == 0) continue;
    if (place.offset < s.p_vaddr || place.offset - s.p_vaddr >= s.p_filesz) continue;
    if (s.p_filesz - (place.offset - s.p_vaddr) < size) continue;
    return at(info.dlpi_addr + place.offset);
  }
  return nullptr;
}

/// The segment of `info` that holds an address; null when none does.
const ElfW(Phdr) * segment_of(const dl_phdr_info& info, std::uintptr_t address) {
  for (const auto& s : headers(info)) {
    const auto start = info.dlpi_addr + s.p_vaddr;
    if (s.p_type == PT_LOAD && address >= start && address - start < s.p_memsz) return &s;
  }
  return nullptr;
}

/// Where it is never changes, and it is never unloaded.
struct loaded_executable {
  dl_phdr_info info{};
  std::string identity;
};
const loaded_executable& executable() {
  static const auto& the = *new loaded_executable([] {  // never destroyed: exit handlers may still use it
    loaded_executable found;
    each_module([&](const dl_phdr_info& info, bool) {
      found.info = info;
      found.identity = identity_of(info);
      return true;
    });
    return found;
  }());
  return the;
}

}  // namespace

std::optional<module_place> find_place_in_executable(const void* address) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  const loaded_executable& here = executable();
  const auto* const segment = segment_of(here.info, wanted);
  if (segment == nullptr) return std::nullopt;
  return module_place{{}, here.identity, wanted - here.info.dlpi_addr, (segment->p_flags & PF_X) != 0};
}

std::optional<module_place> find_place(const void* address) {
  if (auto place = find_place_in_executable(address)) return place;
  std::optional<module_place> result;
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  each_module([&](const dl_phdr_info& info, bool) {
    const auto* const segment = segment_of(info, wanted);
    if (segment == nullptr) return false;
    result = {absolute_path(info.dlpi_name), identity_of(info), wanted - info.dlpi_addr,
              (segment->p_flags & PF_X) != 0};
    return true;
  });
  return result;
}

place_lookup look_up(const module_place& place, std::size_t size, segment use) {
  using answer = place_lookup::answer;
  place_lookup result;
  if (const loaded_executable& here = executable(); place.path.empty() && place.identity == here.identity) {
    result.address = address_in(here.info, place, size, use);
    result.status = result.address != nullptr ? answer::found : answer::outside_segments;
    return result;
  }
  each_module([&](const dl_phdr_info& info, bool is_executable) {
    auto identity = identity_of(info);
    if (!is_module(info, is_executable, identity, place)) {
      if (identity == place.identity) return false;
      if (is_executable ? place.path.empty() : !place.path.empty() && place.path == absolute_path(info.dlpi_name)) {
        result.status = answer::other_build;
        result.other_identity = std::move(identity);
      }
      return false;
    }
    result.address = address_in(info, place, size, use);
    result.status = result.address != nullptr ? answer::found : answer::outside_segments;
    return true;
  });
  return result;
}

std::string file_identity(const std::string& path) {
  struct stat status {};  // a FIFO under this name would block the open
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  std::ifstream file(path, std::ios::binary);
  const auto read_at = [&file](std::uint64_t offset, void* to, std::size_t size) {
    file.seekg(static_cast<std::streamoff>(offset));
    return static_cast<bool>(file.read(static_cast<char*>(to), static_cast<std::streamsize>(size)));
  };
  ElfW(Ehdr) head;
  if (!file || !read_at(0, &head, sizeof head) || std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0) return {};
  if (head.e_ident[EI_CLASS] != (sizeof(void*) == 8 ? ELFCLASS64 : ELFCLASS32) ||
      head.e_phentsize != sizeof(ElfW(Phdr)))
    return {};
  std::vector<ElfW(Phdr)> segments(head.e_phnum);
  if (segments.empty() || !read_at(head.e_phoff, segments.data(), segments.size() * sizeof segments[0])) return {};
  constexpr std::size_t most = 1U << 16U;
  for (const auto& s : segments) {
    if (s.p_type != PT_NOTE || s.p_filesz > most) continue;
    std::vector<char> notes(s.p_filesz);
    if (!read_at(s.p_offset, notes.data(), notes.size())) return {};
    if (auto id = build_id_in(notes, s.p_align); !id.empty()) return id;
  }
  return fingerprint(segments);
}

std::string load_module(const std::string& path) {
  if (::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) != nullptr) return {};
  const char* complaint = ::dlerror();
  return complaint != nullptr ? complaint : "unknown reason";
}

bool keep_loaded(const std::string& path) {
  return ::dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE) != nullptr;
}

namespace {

/// The symbols of each module that was asked for, by the identity of what was loaded.
class symbol_files {
 public:
  std::string begins_at(const module_place& place) {
    const std::lock_guard hold(whole_over_fork);
    auto& symbols = files_[place.identity];
    if (!symbols) {
      const std::string path = place.path.empty() ? "/proc/self/exe" : place.path;
      // A file that was replaced since has other functions at these places.
      symbols = std::make_unique<elf_symbols>(file_identity(path) == place.identity ? path : std::string());
    }
    return symbols->symbol_beginning_at(place.offset);
  }

 private:
  std::map<std::string, std::unique_ptr<elf_symbols>> files_;
};

symbol_files& known_symbols() {
  static auto& files = *new symbol_files;  // never destroyed: threads may still fail while static objects are
  return files;
}

std::string symbol_in_file(const void* address) {
  const auto place = find_place(address);
  return place && place->is_code ? known_symbols().begins_at(*place) : std::string();
}

}  // namespace

std::string symbol_at(const void* address) {
  // The loader knows next to no functions of an executable. Nor is its lock kept free over a fork, as it is held while
  // constructors of modules run, which may fork.
  if (find_place_in_executable(address)) return symbol_in_file(address);
  Dl_info info{};
  // dladdr also answers with the nearest symbol below, which would name some other function.
  if (::dladdr(address, &info) != 0 && info.dli_sname != nullptr && info.dli_saddr == address) return info.dli_sname;
  return symbol_in_file(address);
}

void prepare_modules_for_fork() {
  (void)executable();
  (void)known_symbols();
}

std::uint64_t unload_count() noexcept {
  const std::lock_guard hold(loader_over_fork);
  std::uint64_t count = 0;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* result) {
        *static_cast<std::uint64_t*>(result) = info->dlpi_subs;
        return 1;  // the first module's entry says it for all
      },
      &count);
  return count;
}

}  // namespace kin::os
