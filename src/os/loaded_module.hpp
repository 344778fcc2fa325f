// SPDX-License-Identifier: BSL-1.0
// loaded_module: which ELF module an address lies in, and where in this process a place in a module is.
// Used by wire/module, which makes messages and refusals of it. Holds no policy but one: a module is known by its
// build-id, or, linked with --build-id=none, by a fingerprint of its program headers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kin::os {

/// What an address is used for, and so which segments it may lie in.
enum class segment { data, code };

/// An address as another process can find it.
struct module_place {
  std::string path;      ///< absolute; empty for the executable
  std::string identity;  ///< the build-id's raw bytes, or "phdr" and a fingerprint
  std::uint64_t offset = 0;
  bool is_code = false;
};
/// The module that holds `address`; nothing when it is in none.
std::optional<module_place> find_place(const void* address);
/// The same, but nothing as well when that is not the executable.
std::optional<module_place> find_place_in_executable(const void* address);

/// Where a place is in this process.
struct place_lookup {
  enum class answer { found, not_loaded, other_build, outside_segments };
  answer status = answer::not_loaded;
  const void* address = nullptr;  ///< found
  std::string other_identity;     ///< other_build: what is loaded under this path instead
};
/// `size` bytes from the place on must lie in the file's part of one readable (data) or executable (code) segment.
place_lookup look_up(const module_place& place, std::size_t size, segment use);

/// The identity that the file at `path` would have if it were loaded; empty when it is no ELF file of this machine.
std::string file_identity(const std::string& path);
/// Loads a module (RTLD_NOW, RTLD_LOCAL, never unloaded by kin). Returns the loader's complaint, empty when it worked.
std::string load_module(const std::string& path);

/// Keeps a loaded module (the path that find_place told) loaded for good. False: there is none under this path.
bool keep_loaded(const std::string& path);

/// The mangled name of the function that begins at `address`; empty when there is none. One that is not exported is
/// looked for in the module's file, which takes some milliseconds the first time; a stripped one does not have it.
std::string symbol_at(const void* address);

/// So that a copy by fork finds what is known here whole. Once, while the process has one thread. What lies in the
/// executable is found without the loader at all, for a thread of the user's may have held its lock.
void prepare_modules_for_fork();

/// Grows whenever a module is unloaded: an address found earlier may be stale then.
std::uint64_t unload_count() noexcept;

}  // namespace kin::os
