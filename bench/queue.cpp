// SPDX-License-Identifier: BSL-1.0
// queue: 64-byte items from one process to another, against pipe(2).
#include <array>

#include <kin/kin.hpp>

#include "support.hpp"

namespace {

using item = std::array<char, 64>;

void produce(const kin::queue<item>& items) {
  try {
    for (;;) items.put(item{});
  } catch (const kin::closed_error&) {
  }
}

void kin_queue(benchmark::State& state) {
  const kin::queue<item> items(1024);
  const kin::process producer(produce, items);
  for (auto _ : state) benchmark::DoNotOptimize(items.get());
  items.close();
}
void raw_pipe(benchmark::State& state) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) bench::die("pipe2");
  const pid_t producer = bench::forked([&] {
    ::close(ends[0]);
    const item one{};
    for (;;) bench::write_all(ends[1], one.data(), one.size());
  });
  ::close(ends[1]);
  item one{};
  for (auto _ : state) {
    bench::read_all(ends[0], one.data(), one.size());
    benchmark::DoNotOptimize(one);
  }
  ::close(ends[0]);
  bench::join(producer);
}
BENCHMARK(kin_queue)->UseRealTime();
BENCHMARK(raw_pipe)->UseRealTime();

}  // namespace

KIN_BENCH_MAIN()
