// SPDX-License-Identifier: BSL-1.0
// memory_use: see the header.
#include "os/memory_use.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include <kin/os/unique_fd.hpp>

#include "os/gate.hpp"

namespace kin::os {

std::uint64_t peak_resident_memory() noexcept {
  // Not getrusage: exec leaves the peak of the image before in ru_maxrss, and that of a launched child is its parent's
  // (fs/exec.c, exec_mmap). VmHWM belongs to the address space.
  // Read without stdio, whose pages an ending process would touch for this alone.
  char text[4096];
  const unique_fd file(::open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  const ssize_t n = file ? ::read(file.get(), text, sizeof text - 1) : 0;
  text[std::max<ssize_t>(n, 0)] = '\0';
  constexpr std::string_view field = "VmHWM:";
  if (const char* at = std::strstr(text, field.data())) return std::strtoull(at + field.size(), nullptr, 10) * 1024;
  return peak_since_fork();
}

std::uint64_t peak_since_fork() noexcept {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

namespace {
// man 5 proc: total, resident, shared, text, lib, data; in pages.
struct pages {
  unsigned long long resident = 0, data = 0;
};
pages own_pages() noexcept {
  pages p;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/proc/self/statm", "re"), &std::fclose);
  if (!file || std::fscanf(file.get(), "%*u %llu %*u %*u %*u %llu", &p.resident, &p.data) != 2) return {};
  return p;
}
std::uint64_t bytes(unsigned long long n) noexcept { return n * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)); }
}  // namespace

std::uint64_t resident_memory() noexcept { return bytes(own_pages().resident); }
std::uint64_t private_memory() noexcept { return bytes(own_pages().data); }

std::uint64_t oom_kills() noexcept {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/proc/vmstat", "re"), &std::fclose);
  if (!file) return 0;
  char line[128];
  unsigned long long value = 0;
  while (std::fgets(line, sizeof line, file.get()))
    if (std::sscanf(line, "oom_kill %llu", &value) == 1) return value + (gate::fault_due("oom_kills") ? 1 : 0);
  return 0;
}

}  // namespace kin::os
