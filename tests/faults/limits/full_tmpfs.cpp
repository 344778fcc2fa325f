// SPDX-License-Identifier: BSL-1.0
// full_tmpfs: named shared memory where /dev/shm is a file system of 1 MiB, for full_tmpfs_test. The program moves into
// namespaces of its own before it belongs to a family, so that nobody else's /dev/shm is touched. Exit code 77: the
// system refuses that, and its output says what.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <kin/kin.hpp>

namespace {

constexpr int refused = 77;

void must(bool right, const char* what) {
  if (right) return;
  std::fprintf(stderr, "it is not so that %s\n", what);
  std::_Exit(1);
}

void need(int result, const char* call) {
  if (result == 0) return;
  std::fprintf(stderr, "%s: %s\n", call, std::strerror(errno));
  std::_Exit(refused);
}

void need_written(const char* path, const std::string& text) {
  const int file = ::open(path, O_WRONLY | O_CLOEXEC);
  need(::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : -1, path);
  ::close(file);
}

void have_an_own_dev_shm() {
  const std::string user = std::to_string(::getuid()), group = std::to_string(::getgid());
  need(::unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare");
  // A user whom the new name space does not know makes no files.
  need_written("/proc/self/setgroups", "deny");
  need_written("/proc/self/uid_map", user + " " + user + " 1");
  need_written("/proc/self/gid_map", group + " " + group + " 1");
  need(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount");
  need(::mount("none", "/dev/shm", "tmpfs", 0, "size=1m"), "mount");
}

void fill(const kin::shared_memory& memory, int with) { std::ranges::fill(memory.bytes(), std::byte(with)); }

bool is_full_of(const kin::shared_memory& memory, int what) {
  return std::ranges::all_of(memory.bytes(), [&](std::byte b) { return b == std::byte(what); });
}

bool exists(const std::string& name) { return std::filesystem::exists("/dev/shm/" + name); }

int error_of(std::size_t size, const std::string& name) {
  try {
    const kin::shared_memory made(size, {.name = name});
    fill(made, 9);
  } catch (const kin::os_error& e) {
    return e.code().value();
  }
  return 0;
}

void finds_it_full(const kin::shared_memory& first) {
  must(error_of(600'000, "second") == ENOSPC, "a full /dev/shm is ENOSPC in another process");
  must(!exists("second"), "what another process could not make has no name");
  fill(first, 2);
}

void is_refused_whole() {
  std::optional<kin::shared_memory> first(std::in_place, 600'000, kin::shared_memory_options{.name = "first"});
  fill(*first, 1);
  must(error_of(600'000, "second") == ENOSPC, "a full /dev/shm is ENOSPC");
  must(!exists("second"), "what could not be made has no name");
  must(is_full_of(*first, 1), "what was there is untouched");
  kin::process(finds_it_full, *first).join();
  must(is_full_of(*first, 2), "another process has written to it all");
  must(error_of(300'000, "third") == 0, "what is left can be had");
  first.reset();
  // The family's first process lets go of it in its own time.
  for (int i = 0; i < 10'000 && error_of(900'000, "second") != 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  must(error_of(900'000, "fourth") == 0, "there is room again");
}

void keeps_its_pages_when_others_fill_the_rest() {
  const kin::shared_memory memory(500'000, {.name = "kept"});
  const int rest = ::open("/dev/shm/rest", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  const std::string page(4096, 'x');
  while (::write(rest, page.data(), page.size()) > 0) {
  }
  must(errno == ENOSPC, "a stranger has filled /dev/shm");
  fill(memory, 3);
  must(error_of(1, "tiny") == ENOSPC, "not a byte is left");
  const kin::array<int> anonymous(1'000'000);  // elsewhere
  anonymous[999'999] = 1;
  ::close(rest);
  ::unlink("/dev/shm/rest");
  must(error_of(1, "tiny") == 0, "there is room again");
}

}  // namespace

int main() {
  kin::init();
  have_an_own_dev_shm();
  is_refused_whole();
  keeps_its_pages_when_others_fill_the_rest();
  std::error_code unreadable;
  must(std::filesystem::is_empty("/dev/shm", unreadable), "nothing is left");
  return 0;
}
