// SPDX-License-Identifier: BSL-1.0
// footprint: what idle things take, in bytes, pages and descriptors. Told as manual time, a byte or a descriptor a
// nanosecond, so that the runner's ratios and targets hold for them; what was made is kept, or it would be used again.
#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <kin/kin.hpp>

#include "support.hpp"

namespace {

void tell(benchmark::State& state, std::size_t amount) { state.SetIterationTime(static_cast<double>(amount) * 1e-9); }

std::size_t private_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssAnon:")) return std::stoul(line.substr(8)) * 1024;
  bench::die("RssAnon");
}
// Allocated in this process's memory files, each once: resident, touched or not.
std::size_t shared_bytes() {
  std::map<ino_t, std::size_t> files;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    struct stat status {};
    if (std::filesystem::read_symlink(entry, gone).string().starts_with("/memfd:kin-") &&
        ::stat(entry.path().c_str(), &status) == 0)
      files[status.st_ino] = static_cast<std::size_t>(status.st_blocks) * 512;
  }
  std::size_t all = 0;
  for (const auto& [inode, bytes] : files) all += bytes;
  return all;
}
// Bytes of shared pages that this process has touched, of a file of this name.
std::size_t touched(const char* name) {
  std::ifstream maps("/proc/self/smaps");
  std::size_t sum = 0;
  bool ours = false;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::string first;
    words >> first;
    if (first.find('-') != std::string::npos && first.back() != ':') ours = line.find(name) != std::string::npos;
    std::size_t kib = 0;
    if (ours && first == "Rss:" && words >> kib) sum += kib * 1024;
  }
  return sum;
}
std::size_t descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

std::vector<kin::pipe_ends>& pipes() {
  static auto& all = *new std::vector<kin::pipe_ends>;
  return all;
}
std::vector<kin::queue<long>>& queues() {
  static auto& all = *new std::vector<kin::queue<long>>;
  return all;
}

void idle_connection(benchmark::State& state) {
  constexpr std::size_t many = 50;
  for (auto _ : state) {
    pipes().reserve(pipes().size() + many);
    const std::size_t before = private_bytes() + shared_bytes();
    for (std::size_t i = 0; i < many; ++i) pipes().push_back(kin::pipe());
    tell(state, (private_bytes() + shared_bytes() - before) / many);
  }
}
void idle_queue(benchmark::State& state) {
  constexpr std::size_t many = 500;
  for (auto _ : state) {
    queues().reserve(queues().size() + many);
    const std::size_t before = private_bytes() + shared_bytes();
    for (std::size_t i = 0; i < many; ++i) queues().emplace_back();
    tell(state, (private_bytes() + shared_bytes() - before) / many);
  }
}
// Both ends are in this process: what both touch is counted for both.
void first_message_of_a_connection(benchmark::State& state) {
  for (auto _ : state) {
    const std::size_t before = touched("/memfd:kin-pipe");
    pipes().push_back(kin::pipe());
    pipes().back().first.send(1L);
    (void)pipes().back().second.recv<long>();
    tell(state, touched("/memfd:kin-pipe") - before);
  }
}
void first_item_of_a_queue(benchmark::State& state) {
  for (auto _ : state) {
    const std::size_t before = touched("/memfd:kin-arena");
    queues().emplace_back();
    queues().back().put(1L);
    (void)queues().back().get();
    tell(state, touched("/memfd:kin-arena") - before);
  }
}
void mutexes_and_queues(benchmark::State& state) {
  for (auto _ : state) {
    const std::size_t before = descriptors();
    const std::vector<kin::mutex> locks(10'000);
    const std::vector<kin::queue<long>> all(1000);
    tell(state, descriptors() - before);
  }
}
void one_kib(benchmark::State& state) {
  for (auto _ : state) tell(state, 1024);
}
void one_page(benchmark::State& state) {
  for (auto _ : state) tell(state, 4096);
}
void one_descriptor(benchmark::State& state) {
  for (auto _ : state) tell(state, 1);
}
BENCHMARK(first_message_of_a_connection)->UseManualTime()->Iterations(1);
BENCHMARK(first_item_of_a_queue)->UseManualTime()->Iterations(1);
BENCHMARK(idle_connection)->UseManualTime()->Iterations(1);
BENCHMARK(idle_queue)->UseManualTime()->Iterations(1);
// Last: what it lets go of others would use again.
BENCHMARK(mutexes_and_queues)->UseManualTime()->Iterations(1);
BENCHMARK(one_kib)->UseManualTime()->Iterations(1);
BENCHMARK(one_page)->UseManualTime()->Iterations(1);
BENCHMARK(one_descriptor)->UseManualTime()->Iterations(1);

}  // namespace

KIN_BENCH_MAIN()
