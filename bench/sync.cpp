// SPDX-License-Identifier: BSL-1.0
// sync: a mutex alone and contended, against an atomic addition alone and contended; and taken over from the dead.
#include <atomic>
#include <chrono>
#include <csignal>
#include <mutex>

#include <kin/kin.hpp>

#include "support.hpp"

namespace {

void lock_unlock(benchmark::State& state) {
  const kin::mutex m;
  for (auto _ : state) {
    m.lock();
    m.unlock();
  }
}
void fetch_add(benchmark::State& state) {
  const kin::value<long> n{0};
  for (auto _ : state) n.fetch_add(1);
}

// Two processes do the same; the time of one.
struct counted {
  long n = 0;
};
void add_under_lock(const kin::value<counted>& to, const kin::value<bool>& done) {
  while (!done.load(std::memory_order_relaxed)) {
    const std::scoped_lock hold(to);
    ++to->n;
  }
}
void add_atomically(const kin::value<long>& to, const kin::value<bool>& done) {
  while (!done.load(std::memory_order_relaxed)) to.fetch_add(1);
}
void contended_lock(benchmark::State& state) {
  const kin::value<counted> n;
  const kin::value<bool> done{false};
  const kin::process other(add_under_lock, n, done);
  while (n.load().n == 0) {
  }
  for (auto _ : state) {
    const std::scoped_lock hold(n);
    ++n->n;
  }
  done.store(true);
}
void contended_fetch_add(benchmark::State& state) {
  const kin::value<long> n{0};
  const kin::value<bool> done{false};
  const kin::process other(add_atomically, n, done);
  while (n.load() == 0) {
  }
  for (auto _ : state) n.fetch_add(1);
  done.store(true);
}
// From the kill of who holds a mutex to the survivor that has it.
void claim_after_a_kill(benchmark::State& state) {
  const kin::mutex m;
  const kin::event held;
  for (auto _ : state) {
    const pid_t holder = bench::forked([&] {
      m.lock();
      held.set();
      for (;;) ::pause();
    });
    held.wait();
    const auto start = std::chrono::steady_clock::now();
    ::kill(holder, SIGKILL);
    try {
      m.lock();
    } catch (const kin::owner_died&) {
      auto mine = m.recover();
      state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    held.clear();
    bench::join(holder);
  }
}
void one_millisecond(benchmark::State& state) {
  for (auto _ : state) state.SetIterationTime(0.001);
}
BENCHMARK(claim_after_a_kill)->UseManualTime()->Iterations(50);
BENCHMARK(one_millisecond)->UseManualTime()->Iterations(1);

BENCHMARK(lock_unlock);
BENCHMARK(fetch_add);
BENCHMARK(contended_lock)->UseRealTime();
BENCHMARK(contended_fetch_add)->UseRealTime();

}  // namespace

KIN_BENCH_MAIN()
