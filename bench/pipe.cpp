// SPDX-License-Identifier: BSL-1.0
// pipe: a connection's round trip and stream between two processes, against pipe(2).
#include <csignal>
#include <vector>

#include <kin/kin.hpp>

#include "support.hpp"

namespace {

void echo(kin::connection c) {
  try {
    for (;;) c.send(c.recv<long>());
  } catch (const kin::closed_error&) {
  }
}

void raw_round_trip(benchmark::State& state) {
  bench::raw_echo other;
  for (auto _ : state) benchmark::DoNotOptimize(other.round_trip(1));
}
void kin_round_trip(benchmark::State& state) {
  auto [mine, theirs] = kin::pipe();
  const kin::process other(echo, std::move(theirs));
  for (auto _ : state) {
    mine.send(1L);
    benchmark::DoNotOptimize(mine.recv<long>());
  }
  mine.close();
}
BENCHMARK(raw_round_trip)->UseRealTime();
BENCHMARK(kin_round_trip)->UseRealTime();

// One way: `range(0)` bytes a message, from a child to this process.
void produce(kin::connection c, std::size_t size) {
  const std::vector<std::byte> message(size, std::byte{1});
  try {
    for (;;) c.send_bytes(message);
  } catch (const kin::closed_error&) {
  }
}
void raw_one_way(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) bench::die("pipe2");
  ::fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
  ::signal(SIGPIPE, SIG_IGN);
  const pid_t child = bench::forked([&] {
    ::close(ends[0]);
    const std::vector<char> message(size, 1);
    for (;;) bench::write_all(ends[1], message.data(), size);
  });
  ::close(ends[1]);
  std::vector<char> buffer(size);
  for (auto _ : state) bench::read_all(ends[0], buffer.data(), size);
  state.SetBytesProcessed(state.iterations() * state.range(0));
  ::close(ends[0]);
  bench::join(child);
}
void kin_one_way(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  auto [reader, writer] = kin::pipe(kin::simplex);
  const kin::process other(produce, std::move(writer), size);
  std::vector<std::byte> buffer(size);
  for (auto _ : state) reader.recv_bytes_into(buffer);
  state.SetBytesProcessed(state.iterations() * state.range(0));
  reader.close();
}
BENCHMARK(raw_one_way)->Arg(64)->Arg(1 << 20)->UseRealTime();
BENCHMARK(kin_one_way)->Arg(64)->Arg(1 << 20)->UseRealTime();

}  // namespace

KIN_BENCH_MAIN()
