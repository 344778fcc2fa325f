// SPDX-License-Identifier: BSL-1.0
// deaths: how soon a death is known: of a pool's worker, by whoever waits for its task's result; of the holder of a
// lock, by the next in line. From the moment of the kill to the answer in the caller's hand.
#include <chrono>
#include <csignal>
#include <cstdint>
#include <thread>

#include <kin/kin.hpp>

#include "support.hpp"

namespace {

std::int64_t now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

// The promises count in milliseconds: this is the unit that they are divided by.
void millisecond(benchmark::State& state) {
  for (auto _ : state) state.SetIterationTime(1e-3);
}

// Tells the time on a pipe and dies: by SIGKILL no word is left, by SIGSEGV a crash report is.
void tell_time_and_die(int signal, const kin::value<std::int64_t>& died_at) {
  died_at.store(now());
  ::raise(signal);
}

void worker_killed(benchmark::State& state, int signal) {
  const kin::value<std::int64_t> died_at{0};
  kin::pool workers({.workers = 2, .start = kin::start::forkserver});
  for (auto _ : state) {
    workers.apply([] {});  // a worker is ready
    try {
      workers.apply(tell_time_and_die, signal, died_at);
    } catch (const kin::worker_lost&) {
    }
    state.SetIterationTime(static_cast<double>(now() - died_at.load()) * 1e-9);
  }
}

void hold_and_die(const kin::mutex& m, const kin::event& held, const kin::event& go,
                  const kin::value<std::int64_t>& died_at) {
  m.lock();
  held.set();
  go.wait();
  died_at.store(now());
  ::raise(SIGKILL);
}

// The survivor sleeps in lock() when the holder is killed.
void claim_holder_killed(benchmark::State& state) {
  const kin::value<std::int64_t> died_at{0};
  for (auto _ : state) {
    const kin::mutex m;
    const kin::event held, go;
    kin::process holder(hold_and_die, m, held, go, died_at);
    held.wait();
    std::thread killer([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));  // the survivor sleeps by then
      go.set();
    });
    try {
      m.lock();
    } catch (const kin::owner_died&) {
      const auto hold = m.recover();
    }
    state.SetIterationTime(static_cast<double>(now() - died_at.load()) * 1e-9);
    killer.join();
    holder.join();
  }
}

BENCHMARK(millisecond)->UseManualTime()->Iterations(10)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(worker_killed, silent, SIGKILL)->UseManualTime()->Iterations(60)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(worker_killed, reporting, SIGSEGV)->UseManualTime()->Iterations(30)->Unit(benchmark::kMicrosecond);
BENCHMARK(claim_holder_killed)->UseManualTime()->Iterations(60)->Unit(benchmark::kMicrosecond);

}  // namespace

KIN_BENCH_MAIN()
