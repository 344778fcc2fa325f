// SPDX-License-Identifier: BSL-1.0
// named_memory: shared memory with a name that strangers can open too (shm_open(3), /dev/shm).
#pragma once

#include <string>

#include <kin/os/unique_fd.hpp>

namespace kin::os {

/// "frame" or "/frame" as the system wants it. Throws std::invalid_argument: empty, too long, or a slash inside.
std::string memory_name(const std::string& name);
/// New and empty, for this user alone. Throws os_error (EEXIST).
unique_fd make_named_memory(const std::string& name);
/// Throws os_error (ENOENT, EACCES).
unique_fd open_named_memory(const std::string& name);
/// Removes the name; the memory stays with those who have it. False: there was none. Throws os_error.
bool unlink_named_memory(const std::string& name);
/// The same where the name still is that of `file`: somebody may have removed it, and somebody else have made another.
void unlink_named_memory(const std::string& name, int file);

}  // namespace kin::os
