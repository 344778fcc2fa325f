// SPDX-License-Identifier: BSL-1.0
// open_file: see the header.
#include "os/open_file.hpp"

#include <sys/stat.h>

namespace kin::os {

open_file file_behind(int fd) noexcept {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return {};
  return {status.st_dev, status.st_ino};
}

}  // namespace kin::os
