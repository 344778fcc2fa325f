// SPDX-License-Identifier: BSL-1.0
// manager: one call to an object in a server, beside the round trip that it consists of.
#include <string>

#include <kin/kin.hpp>

#include "support.hpp"

namespace {

void echo(kin::connection other) {
  try {
    for (;;) other.send(other.recv<int>());
  } catch (const kin::closed_error&) {
    // The benchmark is over.
  }
}
void kin_round_trip(benchmark::State& state) {
  auto [mine, theirs] = kin::pipe();
  kin::process other(echo, std::move(theirs));
  for (auto _ : state) {
    mine.send(1);
    benchmark::DoNotOptimize(mine.recv<int>());
  }
  mine.close();
}
void dict_get(benchmark::State& state) {
  const kin::manager m;
  const auto d = m.dict<std::string, int>({{"key", 1}});
  for (auto _ : state) benchmark::DoNotOptimize(d["key"]);
}
void dict_update(benchmark::State& state) {
  const kin::manager m;
  const auto d = m.dict<std::string, int>({{"key", 1}});
  for (auto _ : state) d.update("key", [](int& n) { ++n; });
}
void start_and_end(benchmark::State& state) {
  for (auto _ : state) {
    const kin::manager m;
    benchmark::DoNotOptimize(m.list<int>().size());
  }
}
BENCHMARK(kin_round_trip)->UseRealTime();
BENCHMARK(dict_get)->UseRealTime();
BENCHMARK(dict_update)->UseRealTime();
BENCHMARK(start_and_end)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace

KIN_BENCH_MAIN()
