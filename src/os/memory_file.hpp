// SPDX-License-Identifier: BSL-1.0
// memory_file: anonymous shared memory (memfd) whose pages are allocated when it grows, so that a full /dev/shm or
// RLIMIT_FSIZE is an error at growth, never SIGBUS at use; and a mapping of such a file.
#pragma once

#include <cstddef>
#include <utility>

#include <kin/os/unique_fd.hpp>

namespace kin::os {

/// A new close-on-exec memory file of `size` bytes, zeroed. `name` shows in /proc/PID/maps.
unique_fd make_memory_file(const char* name, std::size_t size);
/// The same, but none of its pages is allocated yet; grow_memory_file(fd, from, to) does that for a part.
unique_fd make_sparse_memory_file(const char* name, std::size_t size);
/// A size of at least `size` for memory that will be used again by others, who need more or less: so that it fits
/// several of them, and little is wasted on large ones.
std::size_t size_to_reuse(std::size_t size) noexcept;
/// Whether `fd` is a memory file of at least `size` bytes that nobody can shrink: safe to map.
bool is_whole_memory_file(int fd, std::size_t size) noexcept;
/// Grows the file to `size`, allocating its pages; never shrinks. Throws os_error (ENOSPC, EFBIG, ENOMEM).
void grow_memory_file(int fd, std::size_t size);
/// The same for a file of which the first `had` bytes are allocated already.
void grow_memory_file(int fd, std::size_t had, std::size_t size);
/// Throws os_error (EFBIG) when this process may not have a file so large.
void check_file_size_limit(std::size_t size);
std::size_t memory_file_size(int fd);
/// Makes the file `size` bytes long without allocating anything; never shrinks it. Throws os_error (EFBIG).
void extend_memory_file(int fd, std::size_t size);
/// Allocates the pages of a part of the file. Throws os_error (ENOSPC, ENOMEM).
void allocate_memory(int fd, std::size_t offset, std::size_t size);
/// Gives the pages of a part back; it reads as zeros from then on. False: this kernel cannot.
bool free_memory(int fd, std::size_t offset, std::size_t size) noexcept;
/// From now on nobody can shrink the file, so that memory once mapped stays (no SIGBUS by somebody else's hand).
void forbid_shrinking(int fd);
/// From now on nobody can map the file writable who has not done so yet, nor write to it (Linux 5.1).
void forbid_new_writers(int fd);

enum class access { read, write };

/// A shared mapping of `size` bytes (from `offset` on, which is a multiple of the page size); unmapped when destroyed.
class mapping {
 public:
  mapping() noexcept = default;
  mapping(int fd, std::size_t size) : mapping(fd, 0, size, access::write) {}
  mapping(int fd, std::size_t offset, std::size_t size, access how);
  mapping(mapping&& o) noexcept : data_(std::exchange(o.data_, nullptr)), size_(std::exchange(o.size_, 0)) {}
  mapping& operator=(mapping&& o) noexcept {
    std::swap(data_, o.data_);
    std::swap(size_, o.size_);
    return *this;
  }
  ~mapping();
  /// Gives the mapping up without unmapping it.
  [[nodiscard]] std::byte* release() && noexcept { return std::exchange(data_, nullptr); }
  /// A copy of this process that somebody forks does not get this memory.
  void keep_from_copies() noexcept;
  /// From now on this process only reads here.
  void make_read_only() noexcept;
  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace kin::os
