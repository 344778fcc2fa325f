// SPDX-License-Identifier: BSL-1.0
// named_memory: see the header.
#include "os/named_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stdexcept>

#include <kin/os/duplicate.hpp>

#include "os/gate.hpp"

namespace kin::os {
namespace {
constexpr const char* directory = "/dev/shm";  // where shm_open(3) has its names
}

std::string memory_name(const std::string& name) {
  std::string whole = name.starts_with('/') ? name : '/' + name;
  if (whole.size() < 2 || whole.size() > longest_memory_name || whole.find('/', 1) != std::string::npos ||
      whole.find('\0') != std::string::npos || whole == "/." || whole == "/..")
    throw std::invalid_argument("kin: the name of shared memory is 1 to 199 characters without a slash inside");
  return whole;
}

unique_fd make_memory_without_name() {
  return above_standard(unique_fd(call("open", "make shared memory that can have a name",
                                       [] { return ::open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600); })));
}

void name_memory(int file, const std::string& name) {
  const std::string doing = "make shared memory " + name;
  // The thread's, because "self" has none once main() has left by pthread_exit.
  const std::string from = "/proc/thread-self/fd/" + std::to_string(file), to = std::string(directory) + name;
  call("linkat", doing.c_str(),
       [&] { return ::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), AT_SYMLINK_FOLLOW); });
}

unique_fd open_named_memory(const std::string& name) {
  const std::string doing = "open shared memory " + name;
  return above_standard(
      unique_fd(call("shm_open", doing.c_str(), [&] { return ::shm_open(name.c_str(), O_RDWR | O_CLOEXEC, 0); })));
}

bool unlink_named_memory(const std::string& name) {
  const int result = try_call("shm_unlink", [&] { return ::shm_unlink(name.c_str()); });
  if (result == 0) return true;
  if (errno == ENOENT) return false;
  throw os_error("remove the name of shared memory " + name, "shm_unlink", errno);
}

memory_identity identity_of(int file) {
  struct stat is {};
  call("fstat", "look at shared memory", [&] { return ::fstat(file, &is); });
  return {is.st_dev, is.st_ino};
}

bool has_name(const std::string& name, const memory_identity& which) noexcept {
  struct stat is {};
  return ::stat((std::string(directory) + name).c_str(), &is) == 0 && memory_identity{is.st_dev, is.st_ino} == which;
}

void unlink_named_memory(const std::string& name, const memory_identity& which) {
  if (has_name(name, which)) unlink_named_memory(name);
}

}  // namespace kin::os
