// SPDX-License-Identifier: BSL-1.0
// What idle things take: memory, fresh shared pages before the first message, descriptors.
// Not under sanitizers, whose shadow memory is resident, too.
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <kin/kin.hpp>

#include "support/leaves_nothing_behind.hpp"

namespace kin_test {
namespace {

const bool warm = warm_up([] {
  const kin::queue<int> first;
  kin::process(
      +[](const kin::queue<int>& q) { q.put(1); }, first)
      .join();
});

std::size_t resident() {
  std::size_t all = 0, now = 0;
  std::ifstream("/proc/self/statm") >> all >> now;
  return now * 4096;
}
// Bytes allocated in memory files of this name that this process has open, each file once.
std::size_t allocated_in(const std::string& name) {
  std::map<ino_t, std::size_t> files;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    struct stat status {};
    if (std::filesystem::read_symlink(entry, gone).string().starts_with("/memfd:" + name) &&
        ::stat(entry.path().c_str(), &status) == 0)
      files[status.st_ino] = static_cast<std::size_t>(status.st_blocks) * 512;
  }
  std::size_t all = 0;
  for (const auto& [inode, bytes] : files) all += bytes;
  return all;
}
// Pages of such files that this process has touched, in the mapping that has most of them.
std::size_t touched_in(const std::string& name) {
  std::ifstream maps("/proc/self/smaps");
  std::size_t most = 0;
  bool ours = false;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::string first;
    words >> first;
    if (first.find('-') != std::string::npos && first.back() != ':')
      ours = line.find("/memfd:" + name) != std::string::npos;
    std::size_t kib = 0;
    if (ours && first == "Rss:" && words >> kib) most = std::max(most, kib / 4);
  }
  return most;
}
std::size_t descriptors() { return belongings::now().descriptors.size(); }

TEST(footprint, of_an_idle_connection_is_at_most_64_KiB) {
  constexpr std::size_t many = 40;
  std::vector<kin::pipe_ends> pipes;
  pipes.reserve(many);
  const std::size_t before = resident();
  for (std::size_t i = 0; i < many; ++i) pipes.push_back(kin::pipe());
  EXPECT_LE(resident() - before, many * (64 << 10));
  EXPECT_LE(allocated_in("kin-pipe"), many * (64 << 10));
}

TEST(footprint, of_an_idle_queue_is_at_most_64_KiB) {
  constexpr std::size_t many = 500;
  std::vector<kin::queue<int>> queues;
  queues.reserve(many);
  const std::size_t before = resident(), allocated = allocated_in("kin-arena");
  for (std::size_t i = 0; i < many; ++i) queues.emplace_back();
  EXPECT_LE(resident() - before, many * (64 << 10));
  EXPECT_LE(allocated_in("kin-arena") - allocated, many * (64 << 10));
}

TEST(footprint, of_a_first_message_is_at_most_8_fresh_pages) {
  auto [a, b] = kin::pipe();
  a.send(1L);
  EXPECT_EQ(b.recv<long>(), 1L);
  EXPECT_LE(touched_in("kin-pipe"), 8U);
  EXPECT_GE(touched_in("kin-pipe"), 1U);

  const std::size_t before = touched_in("kin-arena");
  const kin::queue<long> items;
  items.put(1L);
  EXPECT_EQ(items.get(), 1L);
  EXPECT_LE(touched_in("kin-arena") - before, 8U);
}

TEST(footprint, of_10000_mutexes_and_1000_queues_is_at_most_8_descriptors) {
  const std::size_t before = descriptors();
  const std::vector<kin::mutex> locks(10'000);
  std::vector<kin::queue<int>> queues(1000);
  for (const kin::mutex& lock : locks) const std::scoped_lock hold(lock);
  for (const auto& q : queues) q.put(1);
  EXPECT_LE(descriptors(), before + 8);
  const auto in_child = [](const std::vector<kin::mutex>& its_locks, const std::vector<kin::queue<int>>& its_queues,
                           const kin::queue<int>& answer) {
    for (const kin::mutex& lock : its_locks) const std::scoped_lock hold(lock);
    for (const auto& q : its_queues) (void)q.get();
    int open = 0;
    for (int fd = 0; fd < 4096; ++fd) open += ::access(("/proc/self/fd/" + std::to_string(fd)).c_str(), F_OK) == 0;
    answer.put(open);
  };
  const kin::queue<int> answer;
  kin::process(in_child, std::vector<kin::mutex>(1), std::vector<kin::queue<int>>(), answer).join();
  const int few = answer.get();
  kin::process(in_child, locks, queues, answer).join();
  EXPECT_LE(answer.get(), few + 8);
}

}  // namespace
}  // namespace kin_test
#endif
