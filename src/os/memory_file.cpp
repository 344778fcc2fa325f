// SPDX-License-Identifier: BSL-1.0
// memory_file: see the header.
#include "os/memory_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

#include <kin/os/duplicate.hpp>

#include "os/gate.hpp"

namespace kin::os {

// Growing past RLIMIT_FSIZE raises SIGXFSZ, whose default kills: look before, and answer like the kernel does.
void check_file_size_limit(std::size_t size) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && size > limit.rlim_cur)
    throw os_error("allocate shared memory (RLIMIT_FSIZE)", "fallocate", EFBIG);
}

namespace {

// The kernel would rather kill processes than refuse: a size that cannot be there is refused here.
void check_memory_is_there(std::size_t size) {
  constexpr std::size_t not_worth_asking = std::size_t{64} << 20;
  if (size < not_worth_asking) return;
  std::ifstream info("/proc/meminfo");
  std::string line;
  std::uint64_t kibibytes = 0;
  bool known = false;
  while (std::getline(info, line))
    for (const std::string_view of : {"MemAvailable:", "SwapFree:"})
      if (line.starts_with(of)) {
        kibibytes += std::strtoull(line.c_str() + of.size(), nullptr, 10);
        known = true;
      }
  if (known && size / 1024 > kibibytes) throw os_error("allocate shared memory", "fallocate", ENOMEM);
}

}  // namespace

unique_fd make_memory_file(const char* name, std::size_t size) {
  unique_fd fd = above_standard(unique_fd(call("memfd_create", "make shared memory",
                                               [&] { return ::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING); })));
  if (size > 0) grow_memory_file(fd.get(), size);
  return fd;
}

unique_fd make_sparse_memory_file(const char* name, std::size_t size) {
  check_file_size_limit(size);
  unique_fd fd = make_memory_file(name, 0);
  call("ftruncate", "make shared memory", [&] { return ::ftruncate(fd.get(), static_cast<off_t>(size)); });
  return fd;
}

std::size_t size_to_reuse(std::size_t size) noexcept {
  constexpr std::size_t step = std::size_t{1} << 20;
  return size >= step ? (size + step - 1) / step * step : std::bit_ceil(size);
}

bool is_whole_memory_file(int fd, std::size_t size) noexcept {
  struct stat status {};
  const int seals = ::fcntl(fd, F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_SHRINK) != 0 && ::fstat(fd, &status) == 0 &&
         static_cast<std::size_t>(status.st_size) >= size;
}

void grow_memory_file(int fd, std::size_t size) { grow_memory_file(fd, 0, size); }

void grow_memory_file(int fd, std::size_t had, std::size_t size) {
  check_file_size_limit(size);
  allocate_memory(fd, had, size - had);
}

void extend_memory_file(int fd, std::size_t size) {
  check_file_size_limit(size);
  if (memory_file_size(fd) >= size) return;
  call("ftruncate", "allocate shared memory", [&] { return ::ftruncate(fd, static_cast<off_t>(size)); });
}

void allocate_memory(int fd, std::size_t offset, std::size_t size) {
  check_memory_is_there(size);
  call("fallocate", "allocate shared memory",
       [&] { return ::fallocate(fd, 0, static_cast<off_t>(offset), static_cast<off_t>(size)); });
}

bool free_memory(int fd, std::size_t offset, std::size_t size) noexcept {
  return ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                     static_cast<off_t>(size)) == 0;
}

std::size_t memory_file_size(int fd) {
  struct stat status {};
  call("fstat", "look at shared memory", [&] { return ::fstat(fd, &status); });
  return static_cast<std::size_t>(status.st_size);
}

void forbid_shrinking(int fd) {
  call("fcntl(F_ADD_SEALS)", "seal shared memory", [&] { return ::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK); });
}

void forbid_new_writers(int fd) {
  call("fcntl(F_ADD_SEALS)", "seal shared memory", [&] { return ::fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE); });
}

mapping::mapping(int fd, std::size_t offset, std::size_t size, access how) : size_(size) {
  const int rights = how == access::read ? PROT_READ : PROT_READ | PROT_WRITE;
  void* p =
      gate::fault_due("mmap") ? MAP_FAILED : ::mmap(nullptr, size, rights, MAP_SHARED, fd, static_cast<off_t>(offset));
  if (p == MAP_FAILED) throw os_error("map shared memory", "mmap", errno);
  data_ = static_cast<std::byte*>(p);
}

void mapping::keep_from_copies() noexcept { ::madvise(data_, size_, MADV_DONTFORK); }

void mapping::make_read_only() noexcept {
  if (data_) ::mprotect(data_, size_, PROT_READ);
}

mapping::~mapping() {
  if (data_) ::munmap(data_, size_);
}

}  // namespace kin::os
