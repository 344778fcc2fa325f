// SPDX-License-Identifier: BSL-1.0
// start: starting and joining one process, by each start method, against the bare system calls; from a small parent and
// from one with 2 GiB resident.
#include <memory>
#include <vector>

#include <kin/kin.hpp>

#include "support.hpp"

namespace {

void nothing() {}

// Holds as much touched memory as the benchmark's argument says, in MiB.
struct ballast {
  explicit ballast(const benchmark::State& state) : bytes(static_cast<std::size_t>(state.range(0)) << 20) {
    for (std::size_t i = 0; i < bytes.size(); i += 4096) bytes[i] = 1;
    benchmark::DoNotOptimize(bytes.data());
  }
  std::vector<char> bytes;
};

void bare_fork(benchmark::State& state) {
  const ballast b(state);
  for (auto _ : state) bench::join(bench::forked([] {}));
}
void bare_posix_spawn(benchmark::State& state) {
  const ballast b(state);
  for (auto _ : state) bench::join(bench::spawned_self());
}
void kin_fork(benchmark::State& state) {
  const ballast b(state);
  for (auto _ : state) kin::process(kin::start::fork, nothing).join();
}
void kin_spawn(benchmark::State& state) {
  const ballast b(state);
  for (auto _ : state) kin::process(nothing).join();
}
void kin_async(benchmark::State& state) {
  const ballast b(state);
  for (auto _ : state) kin::async(nothing).get();
}

void parents(benchmark::internal::Benchmark* b) { b->Arg(0)->Arg(2048)->UseRealTime()->Unit(benchmark::kMicrosecond); }
BENCHMARK(bare_fork)->Apply(parents);
BENCHMARK(bare_posix_spawn)->Apply(parents);
BENCHMARK(kin_fork)->Apply(parents);
BENCHMARK(kin_spawn)->Apply(parents);
BENCHMARK(kin_async)->Apply(parents);

}  // namespace

KIN_BENCH_MAIN()
