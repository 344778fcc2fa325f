// SPDX-License-Identifier: BSL-1.0
// named_memory: see the header.
#include "os/named_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <stdexcept>

#include "os/gate.hpp"

namespace kin::os {

std::string memory_name(const std::string& name) {
  constexpr std::size_t longest = 200;  // fits a request to the root; the system's own limit is 255
  std::string whole = name.starts_with('/') ? name : '/' + name;
  if (whole.size() < 2 || whole.size() > longest || whole.find('/', 1) != std::string::npos ||
      whole.find('\0') != std::string::npos || whole == "/." || whole == "/..")
    throw std::invalid_argument("kin: the name of shared memory is 1 to 199 characters without a slash inside");
  return whole;
}

unique_fd make_named_memory(const std::string& name) {
  const std::string doing = "make shared memory " + name;
  return unique_fd(call("shm_open", doing.c_str(),
                        [&] { return ::shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600); }));
}

unique_fd open_named_memory(const std::string& name) {
  const std::string doing = "open shared memory " + name;
  return unique_fd(call("shm_open", doing.c_str(), [&] { return ::shm_open(name.c_str(), O_RDWR | O_CLOEXEC, 0); }));
}

bool unlink_named_memory(const std::string& name) {
  const int result = try_call("shm_unlink", [&] { return ::shm_unlink(name.c_str()); });
  if (result == 0) return true;
  if (errno == ENOENT) return false;
  throw os_error("remove the name of shared memory " + name, "shm_unlink", errno);
}

void unlink_named_memory(const std::string& name, int file) {
  // Where shm_open(3) has it; looking needs no descriptor.
  struct stat is {
  }, was{};
  if (::stat(("/dev/shm" + name).c_str(), &is) == 0 && ::fstat(file, &was) == 0 && is.st_dev == was.st_dev &&
      is.st_ino == was.st_ino)
    unlink_named_memory(name);
}

}  // namespace kin::os
