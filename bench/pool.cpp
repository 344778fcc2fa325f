// SPDX-License-Identifier: BSL-1.0
// pool: from nothing to a first result, one task's round trip, a map of a million integers, and 256 MiB at once.
#include <cstdint>
#include <numeric>
#include <vector>

#include <kin/kin.hpp>

#include "support.hpp"

namespace {

int three_x_plus_one(int x) { return 3 * x + 1; }

// Two bare forks that each report one byte: the least a pool of two can cost.
void two_bare_forks(benchmark::State& state) {
  for (auto _ : state) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) bench::die("pipe2");
    const auto report = [&] { bench::write_all(ends[1], "x", 1); };
    const pid_t a = bench::forked(report), b = bench::forked(report);
    char two[2];
    bench::read_all(ends[0], two, 2);
    state.PauseTiming();
    bench::join(a);
    bench::join(b);
    ::close(ends[0]);
    ::close(ends[1]);
    state.ResumeTiming();
  }
}
void first_result(benchmark::State& state, kin::start_method start) {
  for (auto _ : state) {
    kin::pool workers({.workers = 2, .start = start});
    auto a = workers.apply_async(three_x_plus_one, 1), b = workers.apply_async(three_x_plus_one, 2);
    benchmark::DoNotOptimize(a.get() + b.get());
    state.PauseTiming();
    workers.terminate();
    workers.join();
    state.ResumeTiming();
  }
}
BENCHMARK(two_bare_forks)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(first_result, forkserver, kin::start::forkserver)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(first_result, fork, kin::start::fork)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(first_result, spawn, kin::start::spawn)->UseRealTime()->Unit(benchmark::kMicrosecond);

void raw_round_trip(benchmark::State& state) {
  bench::raw_echo other;
  for (auto _ : state) benchmark::DoNotOptimize(other.round_trip(1));
}
void apply(benchmark::State& state) {
  kin::pool workers(2);
  workers.apply(three_x_plus_one, 1);
  for (auto _ : state) benchmark::DoNotOptimize(workers.apply(three_x_plus_one, 1));
}
BENCHMARK(raw_round_trip)->UseRealTime();
BENCHMARK(apply)->UseRealTime();

constexpr int items = 1'000'000;
void map(benchmark::State& state) {
  kin::pool workers(2);
  std::vector<int> numbers(items);
  std::iota(numbers.begin(), numbers.end(), 0);
  workers.map(three_x_plus_one, numbers);
  for (auto _ : state) benchmark::DoNotOptimize(workers.map(three_x_plus_one, numbers));
  state.SetItemsProcessed(state.iterations() * items);
}
void map_array(benchmark::State& state) {
  kin::pool workers(2);
  const kin::array<int> numbers(items), results(items);
  std::iota(numbers.begin(), numbers.end(), 0);
  workers.map(three_x_plus_one, numbers, results);
  for (auto _ : state) workers.map(three_x_plus_one, numbers, results);
  state.SetItemsProcessed(state.iterations() * items);
}
void sequential_loop(benchmark::State& state) {
  int (*volatile f)(int) = three_x_plus_one;
  std::vector<int> numbers(items), results(items);
  std::iota(numbers.begin(), numbers.end(), 0);
  for (auto _ : state) {
    for (std::size_t i = 0; i < numbers.size(); ++i) results[i] = f(numbers[i]);
    benchmark::DoNotOptimize(results.data());
  }
  state.SetItemsProcessed(state.iterations() * items);
}
BENCHMARK(map)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(map_array)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(sequential_loop)->UseRealTime()->Unit(benchmark::kMicrosecond);

// --- one large argument, one large result

using large = std::vector<std::uint64_t>;
constexpr std::size_t large_items = std::size_t{32} << 20;  // 256 MiB

std::uint64_t ends_of(const large& v) { return v.front() + v.back(); }
const large& kept_large(std::uint64_t n) {
  static const large kept(large_items, n);
  return kept;
}

void copy_large(benchmark::State& state) {
  const large from(large_items, 1);
  large to(large_items);
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), large_items * sizeof(large::value_type));
    benchmark::ClobberMemory();
  }
}
// Into memory that malloc has just got, as every vector of that size has.
void copy_large_anew(benchmark::State& state) {
  const large from(large_items, 1);
  for (auto _ : state) {
    large to(from);
    benchmark::DoNotOptimize(to.data());
  }
}
void large_argument(benchmark::State& state) {
  kin::pool workers(1);
  const large argument(large_items, 1);
  benchmark::DoNotOptimize(workers.apply(ends_of, argument));
  for (auto _ : state) benchmark::DoNotOptimize(workers.apply(ends_of, argument));
}
void large_result(benchmark::State& state) {
  kin::pool workers(1);
  workers.apply(kept_large, 1u);
  for (auto _ : state) benchmark::DoNotOptimize(workers.apply(kept_large, 1u));
}
BENCHMARK(copy_large)->UseRealTime()->Unit(benchmark::kMicrosecond)->Iterations(5);
BENCHMARK(copy_large_anew)->UseRealTime()->Unit(benchmark::kMicrosecond)->Iterations(5);
BENCHMARK(large_argument)->UseRealTime()->Unit(benchmark::kMicrosecond)->Iterations(5);
BENCHMARK(large_result)->UseRealTime()->Unit(benchmark::kMicrosecond)->Iterations(5);

}  // namespace

KIN_BENCH_MAIN()
