// SPDX-License-Identifier: BSL-1.0
// busy: the 99th percentile of round trips between two processes while two others keep both cores busy, against that of
// a raw futex there. Nothing is pinned.
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <vector>

#include <kin/kin.hpp>

#include "support.hpp"

namespace {

using std::chrono::steady_clock;

class two_busy_loops {
 public:
  two_busy_loops() {
    for (pid_t& one : loops_)
      one = bench::forked([] {
        for (volatile long n = 0;;) n = n + 1;
      });
  }
  two_busy_loops(const two_busy_loops&) = delete;
  two_busy_loops& operator=(const two_busy_loops&) = delete;
  ~two_busy_loops() {
    for (const pid_t one : loops_) ::kill(one, SIGKILL), bench::join(one);
  }

 private:
  pid_t loops_[2]{};
};

// What 99 of 100 round trips do not exceed.
template <class F>
void p99(benchmark::State& state, F round_trip) {
  const two_busy_loops loops;
  for (int i = 0; i < 100; ++i) round_trip();
  std::vector<double> took(4000);
  for (auto _ : state) {
    for (double& one : took) {
      const auto start = steady_clock::now();
      round_trip();
      one = std::chrono::duration<double>(steady_clock::now() - start).count();
    }
    const auto at = took.begin() + static_cast<std::ptrdiff_t>(took.size() * 99 / 100);
    std::nth_element(took.begin(), at, took.end());
    state.SetIterationTime(*at);
  }
}

struct futex_pair {
  alignas(128) std::atomic<std::uint32_t> there, back;
};
void pass(std::atomic<std::uint32_t>& word) {
  word.fetch_add(1);
  ::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}
void await(std::atomic<std::uint32_t>& word, std::uint32_t old) {
  while (word.load() == old) ::syscall(SYS_futex, &word, FUTEX_WAIT, old, nullptr, nullptr, 0);
}
void raw_futex(benchmark::State& state) {
  void* page = ::mmap(nullptr, sizeof(futex_pair), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) bench::die("mmap");
  auto* pair = static_cast<futex_pair*>(page);
  const pid_t other = bench::forked([&] {
    for (std::uint32_t i = 0;; ++i) {
      await(pair->there, i);
      pass(pair->back);
    }
  });
  std::uint32_t i = 0;
  p99(state, [&] {
    pass(pair->there);
    await(pair->back, i++);
  });
  ::kill(other, SIGKILL);
  bench::join(other);
  ::munmap(page, sizeof(futex_pair));
}

void queue(benchmark::State& state) {
  const kin::queue<long> there, back;
  const kin::process other(kin::start::fork, [&] {
    for (const long n : there) back.put(n);
  });
  p99(state, [&] {
    there.put(1);
    benchmark::DoNotOptimize(back.get());
  });
  there.close();
}

void pipe(benchmark::State& state) {
  auto [mine, theirs] = kin::pipe();
  const kin::process other(
      [](kin::connection c) {
        try {
          for (;;) c.send(c.recv<long>());
        } catch (const kin::closed_error&) {
        }
      },
      std::move(theirs));
  p99(state, [&] {
    mine.send(1L);
    benchmark::DoNotOptimize(mine.recv<long>());
  });
  mine.close();
}

void semaphore(benchmark::State& state) {
  const kin::counting_semaphore there(0), back(0);
  const kin::value<bool> done{false};
  const kin::process other(kin::start::fork, [&] {
    for (there.acquire(); !done.load(); there.acquire()) back.release();
  });
  p99(state, [&] {
    there.release();
    back.acquire();
  });
  done.store(true);
  there.release();
}

// Each adds one under the mutex when it is its turn.
struct counted {
  long n = 0;
};
void mutex(benchmark::State& state) {
  const kin::value<counted> turns;
  const kin::value<bool> done{false};
  const kin::process other(kin::start::fork, [&] {
    while (!done.load(std::memory_order_relaxed)) {
      const std::scoped_lock hold(turns);
      ++turns->n;
    }
  });
  p99(state, [&] {
    const std::scoped_lock hold(turns);
    ++turns->n;
  });
  done.store(true);
}

BENCHMARK(raw_futex)->UseManualTime()->Iterations(1);
BENCHMARK(queue)->UseManualTime()->Iterations(1);
BENCHMARK(pipe)->UseManualTime()->Iterations(1);
BENCHMARK(semaphore)->UseManualTime()->Iterations(1);
BENCHMARK(mutex)->UseManualTime()->Iterations(1);

}  // namespace

KIN_BENCH_MAIN()
