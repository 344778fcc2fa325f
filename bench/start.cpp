// SPDX-License-Identifier: BSL-1.0
// start: starting and joining one process, by each start method, against the bare system calls; from a small parent and
// from one with 4 GiB resident.
#include <poll.h>
#include <sys/syscall.h>

#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include <kin/kin.hpp>

#include "support.hpp"

namespace {

void nothing() {}

// Makes the process as large as the benchmark's argument says, in MiB. Kept from one benchmark to the next: giving 4
// GiB back and taking them again would be the machine's noise in whatever is measured next.
void be_as_large_as(const benchmark::State& state) {
  static std::vector<char> ballast;
  const auto bytes = static_cast<std::size_t>(state.range(0)) << 20;
  if (bytes == ballast.size()) return;
  ballast = std::vector<char>(bytes, 1);
  benchmark::DoNotOptimize(ballast.data());
}

void bare_fork(benchmark::State& state) {
  be_as_large_as(state);
  for (auto _ : state) bench::join(bench::forked([] {}));
}
// The same join as kin's: by a pidfd, which tells the end without a race.
void bare_fork_pidfd(benchmark::State& state) {
  be_as_large_as(state);
  for (auto _ : state) {
    const pid_t pid = bench::forked([] {});
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    pollfd entry{pidfd, POLLIN, 0};
    if (::poll(&entry, 1, -1) != 1) bench::die("poll");
    bench::join(pid);
    ::close(pidfd);
  }
}
void bare_posix_spawn(benchmark::State& state) {
  be_as_large_as(state);
  for (auto _ : state) bench::join(bench::spawned_self());
}
void kin_fork(benchmark::State& state) {
  be_as_large_as(state);
  for (auto _ : state) kin::process(kin::start::fork, nothing).join();
}
void kin_spawn(benchmark::State& state) {
  be_as_large_as(state);
  for (auto _ : state) kin::process(nothing).join();
}
void kin_forkserver(benchmark::State& state) {
  be_as_large_as(state);
  kin::process(kin::start::forkserver, nothing).join();  // the server itself is started once
  for (auto _ : state) kin::process(kin::start::forkserver, nothing).join();
}

// From the start to the first instruction of the user's code in a process that is ready: the child tells the time, on
// its stdout, so that no argument has to be decoded.
std::int64_t now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }
void tell_time() {
  const std::int64_t time = now();
  bench::write_all(1, &time, sizeof time);
}
void first_instruction(benchmark::State& state) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) bench::die("pipe2");
  kin::process_options options;
  options.start = kin::start::forkserver;
  options.out = kin::redirect::to(ends[1]);
  for (auto _ : state) {
    const std::int64_t start = now();
    kin::process child(options, tell_time);
    std::int64_t began = 0;
    bench::read_all(ends[0], &began, sizeof began);
    child.join();
    state.SetIterationTime(static_cast<double>(began - start) * 1e-9);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // until the server has made the next one
  }
  ::close(ends[0]);
  ::close(ends[1]);
}
void kin_async(benchmark::State& state) {
  be_as_large_as(state);
  for (auto _ : state) kin::async(nothing).get();
}

void from_small_parent(benchmark::internal::Benchmark* b) { b->Arg(0)->UseRealTime()->Unit(benchmark::kMicrosecond); }
void from_large_parent(benchmark::internal::Benchmark* b) {
  b->Arg(4096)->UseRealTime()->Unit(benchmark::kMicrosecond);
}
BENCHMARK(bare_fork)->Apply(from_small_parent);
BENCHMARK(bare_fork_pidfd)->Apply(from_small_parent);
BENCHMARK(bare_posix_spawn)->Apply(from_small_parent);
BENCHMARK(kin_forkserver)->Apply(from_small_parent);
BENCHMARK(first_instruction)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(kin_fork)->Apply(from_small_parent);
BENCHMARK(kin_spawn)->Apply(from_small_parent);
BENCHMARK(kin_async)->Apply(from_small_parent);
BENCHMARK(bare_fork)->Apply(from_large_parent);
BENCHMARK(bare_posix_spawn)->Apply(from_large_parent);
BENCHMARK(kin_fork)->Apply(from_large_parent);
BENCHMARK(kin_spawn)->Apply(from_large_parent);
BENCHMARK(kin_forkserver)->Apply(from_large_parent);

}  // namespace

KIN_BENCH_MAIN()
