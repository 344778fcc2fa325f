// SPDX-License-Identifier: BSL-1.0
// map: a loop over a kin::array by worker processes, beside OpenMP's threads over the same memory.
#include <cstdint>
#include <numeric>
#include <vector>

#include <kin/kin.hpp>

#include "support.hpp"

namespace {

// About 8 ns.
struct heavy {
  std::uint64_t operator()(std::uint64_t x) const {
    for (int i = 0; i < 11; ++i) x = (x ^ (x >> 15)) * 0x9e3779b97f4a7c15u;
    return x;
  }
};

struct numbers {
  explicit numbers(std::size_t n) : in(n), out(n) { std::iota(in.begin(), in.end(), 1u); }
  kin::array<std::uint64_t> in, out;
};
// Made once and kept: what is new is what a process has not touched.
const numbers& of(std::int64_t n) {
  static const numbers few(1'000), some(100'000), many(10'000'000);
  return n == 1'000 ? few : n == 100'000 ? some : many;
}
kin::pool& workers() {
  static kin::pool pool(2);
  return pool;
}
void sizes(benchmark::internal::Benchmark* b) { b->Arg(1'000)->Arg(100'000)->Arg(10'000'000)->UseRealTime(); }

void one_process(benchmark::State& state) {
  const auto& [in, out] = of(state.range(0));
  for (auto _ : state) {
    for (std::size_t i = 0; i < in.size(); ++i) out[i] = heavy()(in[i]);
    benchmark::ClobberMemory();
  }
}
#ifdef _OPENMP
void openmp(benchmark::State& state) {
  const auto& [in, out] = of(state.range(0));
  const std::uint64_t* const from = in.data();
  std::uint64_t* const to = out.data();
  const auto n = static_cast<std::int64_t>(in.size());
  for (auto _ : state) {
#pragma omp parallel for num_threads(2)
    for (std::int64_t i = 0; i < n; ++i) to[i] = heavy()(from[i]);
    benchmark::ClobberMemory();
  }
}
#endif
void map(benchmark::State& state) {
  const auto& [in, out] = of(state.range(0));
  workers().map(heavy(), in, out);
  for (auto _ : state) workers().map(heavy(), in, out);
}
void map_caller_takes_part(benchmark::State& state) {
  const auto& [in, out] = of(state.range(0));
  // One worker and the caller: as many as the others have.
  static kin::pool one(1);
  one.map(heavy(), in, out);
  for (auto _ : state) one.map(heavy(), in, out, {.caller_takes_part = true});
}
void map_vector(benchmark::State& state) {
  const auto& [in, out] = of(state.range(0));
  const std::vector<std::uint64_t> items(in.begin(), in.end());
  workers().map(heavy(), items);
  for (auto _ : state) benchmark::DoNotOptimize(workers().map(heavy(), items));
}
BENCHMARK(one_process)->Apply(sizes);
#ifdef _OPENMP
BENCHMARK(openmp)->Apply(sizes);
#endif
BENCHMARK(map)->Apply(sizes);
BENCHMARK(map_caller_takes_part)->Apply(sizes);
BENCHMARK(map_vector)->Apply(sizes);

}  // namespace

KIN_BENCH_MAIN()
