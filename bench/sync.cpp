// SPDX-License-Identifier: BSL-1.0
// sync: a mutex alone, alone where membarrier(2) is refused, and contended, against an atomic addition alone and
// contended; and taken over from the dead.
#include <linux/membarrier.h>
#include <sys/syscall.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <mutex>
#include <string_view>

#include <kin/kin.hpp>

#include "../tests/support/refused_system_call.hpp"
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

// --- where membarrier(2) is refused, as in some sandboxes: each publication has its own fence

constexpr int batch = 1'000'000;
constexpr const char* refused = "--membarrier-refused";

// This program as the root of a family of its own, which decides for all of it: for each byte that comes, the seconds
// that a batch takes.
int answer_with_times() {
  if (::syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0) >= 0) bench::die("membarrier is not refused");
  kin::init();
  const kin::mutex m;
  for (char order = 0;;) {
    bench::read_all(STDIN_FILENO, &order, sizeof order);
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < batch; ++i) {
      m.lock();
      m.unlock();
    }
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    bench::write_all(STDOUT_FILENO, &took, sizeof took);
  }
}
void lock_unlock_with_fences(benchmark::State& state) {
  int there[2], back[2];
  if (::pipe2(there, O_CLOEXEC) != 0 || ::pipe2(back, O_CLOEXEC) != 0) bench::die("pipe2");
  const pid_t other = bench::forked([&] {
    ::dup2(there[0], STDIN_FILENO);
    ::dup2(back[1], STDOUT_FILENO);
    if (!kin_test::refuse(SYS_membarrier, EPERM)) bench::die("prctl(PR_SET_SECCOMP)");
    ::execl("/proc/self/exe", "sync", refused, nullptr);
    bench::die("execl");
  });
  ::close(there[0]);
  ::close(back[1]);
  for (auto _ : state) {
    double took = 0;
    bench::write_all(there[1], "x", 1);
    bench::read_all(back[0], &took, sizeof took);
    state.SetIterationTime(took);
  }
  ::close(there[1]);
  ::close(back[0]);
  bench::join(other);
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
BENCHMARK(lock_unlock_with_fences)->UseManualTime()->Iterations(50);
BENCHMARK(fetch_add);
BENCHMARK(contended_lock)->UseRealTime();
BENCHMARK(contended_fetch_add)->UseRealTime();

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == refused) return answer_with_times();
  return bench::run(argc, argv);
}
