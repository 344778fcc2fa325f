// SPDX-License-Identifier: BSL-1.0
// busy: the 99th percentile of round trips between two processes, and of an operation on what two share, while two
// others keep both cores busy, against the round trip of a raw futex there. Nothing is pinned.
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <mutex>
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

double quantile(std::vector<double>& of, std::size_t percent) {
  const auto at = of.begin() + static_cast<std::ptrdiff_t>(of.size() * percent / 100);
  std::nth_element(of.begin(), at, of.end());
  return *at;
}

// What 99 of 100 round trips do not exceed. Who waits for nobody makes many, or it would all be over before the
// scheduler takes a processor away once. The median of several batches: in one of six or so it is a whole time slice of
// a busy loop, of milliseconds, whatever goes to and fro, a raw futex as well.
constexpr std::size_t some = 4000, many = 1'000'000, batches = 7;
template <class F>
void p99(benchmark::State& state, F round_trip, std::size_t times = some) {
  const two_busy_loops loops;
  for (int i = 0; i < 100; ++i) round_trip();
  std::vector<double> took(times), each(batches);
  for (auto _ : state) {
    for (double& batch : each) {
      for (double& one : took) {
        const auto start = steady_clock::now();
        round_trip();
        one = std::chrono::duration<double>(steady_clock::now() - start).count();
      }
      batch = quantile(took, 99);
    }
    state.SetIterationTime(quantile(each, 50));
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
  const auto add = [&] {
    const std::scoped_lock hold(turns);
    ++turns->n;
  };
  p99(state, add, many);
  done.store(true);
}

// Another process, which does the same for ever; in the end it is killed, with whatever it holds.
class companion {
 public:
  template <class F>
  explicit companion(F for_ever) : process_(kin::start::fork, [&] { for_ever(); }) {}
  companion(const companion&) = delete;
  companion& operator=(const companion&) = delete;
  ~companion() { process_.kill(); }

 private:
  kin::process process_;
};

// Three mutexes in a ring; each process holds one, and has the next before it gives up the last. The next one is always
// the other's, who gives it up as soon as it has what is given up here: so each lock waits for the other process.
void mutex_handed_over(benchmark::State& state) {
  const std::array<kin::mutex, 3> ring;
  const kin::event ready;
  ring[0].lock();
  ring[1].lock();
  const companion other([&] {
    ring[2].lock();
    ready.set();
    for (unsigned at = 2;; ++at) {
      ring[(at + 1) % 3].lock();
      ring[at % 3].unlock();
    }
  });
  ready.wait();
  unsigned at = 0;
  p99(state, [&] {
    ring[at % 3].unlock();
    ring[(at + 2) % 3].lock();
    ++at;
  });
  ring[at % 3].unlock();
  ring[(at + 1) % 3].unlock();
}

void condition_variable(benchmark::State& state) {
  kin::mutex mutex;
  const kin::condition_variable changed;
  const kin::value<bool> there{false};
  const auto move_and_await_back = [&](bool to) {
    std::unique_lock hold(mutex);
    there.store(to);
    hold.unlock();
    changed.notify_one();
    hold.lock();
    changed.wait(hold, [&] { return there.load() != to; });
  };
  const companion other([&] {
    for (;;) move_and_await_back(false);
  });
  p99(state, [&] { move_and_await_back(true); });
}

void event(benchmark::State& state) {
  const kin::event there, back;
  const companion other([&] {
    for (;;) {
      there.wait();
      there.clear();
      back.set();
    }
  });
  p99(state, [&] {
    there.set();
    back.wait();
    back.clear();
  });
}

// There and back: two meetings, at each of which one waits for the other.
void barrier(benchmark::State& state) {
  const kin::barrier both(2);
  const companion other([&] {
    for (;;) both.arrive_and_wait();
  });
  p99(state, [&] {
    both.arrive_and_wait();
    both.arrive_and_wait();
  });
}

void bounded_semaphore(benchmark::State& state) {
  const kin::bounded_semaphore there(1), back(1);
  there.acquire();
  back.acquire();
  const companion other([&] {
    for (;;) {
      there.acquire();
      back.release();
    }
  });
  p99(state, [&] {
    there.release();
    back.acquire();
  });
}

// Nobody answers here: another process sets all keys, again and again.
using payload = std::array<char, 64>;
using dict = kin::shared_dict<std::uint64_t, payload>;
template <class F>
void beside_a_writer(benchmark::State& state, F use) {
  constexpr std::uint64_t keys = 10'000;
  const dict all;
  const auto set_all = [&] {
    for (std::uint64_t key = 0; key < keys; ++key) all.set(key, payload{});
  };
  set_all();
  const companion other([&] {
    for (;;) set_all();
  });
  std::uint64_t n = 0;
  p99(
      state, [&] { use(all, n++ % keys); }, many);
}
void dict_get(benchmark::State& state) {
  beside_a_writer(state, [](const dict& all, std::uint64_t key) { benchmark::DoNotOptimize(all[key]); });
}
void dict_set(benchmark::State& state) {
  beside_a_writer(state, [](const dict& all, std::uint64_t key) { all.set(key, payload{}); });
}

BENCHMARK(raw_futex)->UseManualTime()->Iterations(1);
BENCHMARK(queue)->UseManualTime()->Iterations(1);
BENCHMARK(pipe)->UseManualTime()->Iterations(1);
BENCHMARK(semaphore)->UseManualTime()->Iterations(1);
BENCHMARK(mutex)->UseManualTime()->Iterations(1);
BENCHMARK(mutex_handed_over)->UseManualTime()->Iterations(1);
BENCHMARK(condition_variable)->UseManualTime()->Iterations(1);
BENCHMARK(event)->UseManualTime()->Iterations(1);
BENCHMARK(barrier)->UseManualTime()->Iterations(1);
BENCHMARK(bounded_semaphore)->UseManualTime()->Iterations(1);
BENCHMARK(dict_get)->UseManualTime()->Iterations(1);
BENCHMARK(dict_set)->UseManualTime()->Iterations(1);

}  // namespace

KIN_BENCH_MAIN()
