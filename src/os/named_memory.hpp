// SPDX-License-Identifier: BSL-1.0
// named_memory: shared memory with a name that strangers can open too (shm_open(3), /dev/shm).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <kin/os/unique_fd.hpp>

namespace kin::os {

inline constexpr std::size_t longest_memory_name = 200;  ///< fits a request to the root; the system's own limit is 255
/// "frame" or "/frame" as the system wants it. Throws std::invalid_argument: empty, too long, or a slash inside.
std::string memory_name(const std::string& name);
/// New and empty, for this user alone, where name_memory() can give it a name: until then it is nobody's but the
/// holder's, and goes with the last descriptor. Throws os_error.
unique_fd make_memory_without_name();
/// Throws os_error (EEXIST).
void name_memory(int file, const std::string& name);
/// Throws os_error (ENOENT, EACCES).
unique_fd open_named_memory(const std::string& name);
/// Removes the name; the memory stays with those who have it. False: there was none. Throws os_error.
bool unlink_named_memory(const std::string& name);
/// Which file it is, whatever it is called.
struct memory_identity {
  std::uint64_t device, number;
  friend bool operator==(const memory_identity&, const memory_identity&) = default;
};
memory_identity identity_of(int file);
/// Whether the name is that file's. Needs no descriptor.
[[nodiscard]] bool has_name(const std::string& name, const memory_identity& which) noexcept;
/// Removes the name where it still is that of `which`: somebody may have removed it, and somebody else have made
/// another. Needs no descriptor. Throws os_error.
void unlink_named_memory(const std::string& name, const memory_identity& which);

}  // namespace kin::os
