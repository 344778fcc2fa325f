// SPDX-License-Identifier: BSL-1.0
// tasks: what one small task costs a pool of processes: alone, one a millisecond, and a million of them; beside a cache
// line, two pipes, a plain thread pool and, where it is installed, oneTBB.
#include <sched.h>
#include <sys/mman.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <ranges>
#include <thread>
#include <vector>

#ifdef KIN_BENCH_TBB
#include <tbb/global_control.h>
#include <tbb/task_group.h>
#endif

#include <kin/kin.hpp>

#include "support.hpp"

namespace {

int three_x_plus_one(int x) { return 3 * x + 1; }
void nothing() {}

void run_on(int core) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  for (int i = 0; i < CPU_SETSIZE; ++i)
    if (core < 0 || i == core) CPU_SET(static_cast<unsigned>(i), &mask);
  ::sched_setaffinity(0, sizeof mask, &mask);
}

// --- one task

// The limit: one word that two cores write in turn.
void line_round_trip(benchmark::State& state) {
  using word = std::atomic<std::uint64_t>;
  auto* const line =
      static_cast<word*>(::mmap(nullptr, sizeof(word), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const pid_t child = bench::forked([&] {
    run_on(1);
    for (std::uint64_t i = 1;; i += 2) {
      std::uint64_t seen = 0;
      while ((seen = line->load(std::memory_order_acquire)) != i)
        if (seen == ~std::uint64_t{0}) return;
      line->store(i + 1, std::memory_order_release);
    }
  });
  run_on(0);
  std::uint64_t i = 0;
  for (auto _ : state) {
    line->store(i + 1, std::memory_order_release);
    while (line->load(std::memory_order_acquire) != i + 2) {
    }
    i += 2;
  }
  line->store(~std::uint64_t{0});
  bench::join(child);
  ::munmap(line, sizeof(word));
  run_on(-1);
}

// The caller on one core, the worker on another.
void apply_hot(benchmark::State& state) {
  run_on(0);
  kin::pool_options options;
  options.workers = 1;
  options.process.affinity = {1};
  kin::pool workers(std::move(options));
  workers.apply(three_x_plus_one, 1);
  for (auto _ : state) benchmark::DoNotOptimize(workers.apply(three_x_plus_one, 1));
  run_on(-1);
}

// Each a millisecond after the last, so that everybody sleeps in between. Wherever the kernel puts them.
template <class Once>
void each_millisecond(benchmark::State& state, Once once) {
  for (auto _ : state) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const auto start = std::chrono::steady_clock::now();
    once();
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
}
void apply_cold(benchmark::State& state) {
  kin::pool workers(2);
  workers.apply(three_x_plus_one, 1);
  each_millisecond(state, [&] { benchmark::DoNotOptimize(workers.apply(three_x_plus_one, 1)); });
}
void raw_round_trip_cold(benchmark::State& state) {
  bench::raw_echo other;
  each_millisecond(state, [&] { other.round_trip(1); });
}

BENCHMARK(line_round_trip)->UseRealTime();
BENCHMARK(apply_hot)->UseRealTime();
BENCHMARK(raw_round_trip_cold)->UseManualTime()->Iterations(1000);
BENCHMARK(apply_cold)->UseManualTime()->Iterations(1000);

// --- many tasks

constexpr int tasks = 1'000'000;

// Nobody keeps the futures; the last one says that the others have been.
void fire_and_forget(benchmark::State& state) {
  kin::pool workers(2);
  workers.apply(nothing);
  for (auto _ : state) {
    for (int i = 1; i < tasks; ++i) workers.apply_async(nothing);
    workers.apply(nothing);
    while (workers.stats().pending + workers.stats().running > 0) std::this_thread::yield();
  }
  state.SetItemsProcessed(state.iterations() * tasks);
}
// The same as one batch: nobody keeps its future either.
void take(int) {}
void batch_and_forget(benchmark::State& state) {
  kin::pool workers(2);
  workers.apply(nothing);
  for (auto _ : state) {
    (void)workers.map_async(take, std::views::iota(0, tasks));
    workers.apply(nothing);
    while (workers.stats().pending + workers.stats().running > 0) std::this_thread::yield();
  }
  state.SetItemsProcessed(state.iterations() * tasks);
}
void submit_and_get(benchmark::State& state) {
  kin::pool workers(2);
  workers.apply(nothing);
  std::vector<kin::future<int>> futures;
  futures.reserve(tasks);
  for (auto _ : state) {
    for (int i = 0; i < tasks; ++i) futures.push_back(workers.apply_async(three_x_plus_one, i));
    long sum = 0;
    for (auto& f : futures) sum += f.get();
    benchmark::DoNotOptimize(sum);
    futures.clear();
  }
  state.SetItemsProcessed(state.iterations() * tasks);
}

// What everybody writes first: a queue of closures under a mutex, and std::future.
class plain_thread_pool {
 public:
  explicit plain_thread_pool(int threads) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { serve(); });
  }
  plain_thread_pool(const plain_thread_pool&) = delete;
  plain_thread_pool& operator=(const plain_thread_pool&) = delete;
  ~plain_thread_pool() {
    {
      const std::lock_guard hold(mutex_);
      closed_ = true;
    }
    changed_.notify_all();
    for (auto& t : threads_) t.join();
  }
  template <class F>
  std::future<std::invoke_result_t<F>> submit(F f) {
    auto task = std::make_shared<std::packaged_task<std::invoke_result_t<F>()>>(std::move(f));
    auto result = task->get_future();
    {
      const std::lock_guard hold(mutex_);
      waiting_.emplace_back([task] { (*task)(); });
    }
    changed_.notify_one();
    return result;
  }

 private:
  void serve() {
    std::unique_lock hold(mutex_);
    for (;;) {
      changed_.wait(hold, [&] { return closed_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      auto task = std::move(waiting_.front());
      waiting_.pop_front();
      hold.unlock();
      task();
      hold.lock();
    }
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool closed_ = false;
  std::vector<std::thread> threads_;
};
void plain_submit_and_get(benchmark::State& state) {
  plain_thread_pool workers(2);
  std::vector<std::future<int>> futures;
  futures.reserve(tasks);
  for (auto _ : state) {
    for (int i = 0; i < tasks; ++i) futures.push_back(workers.submit([i] { return three_x_plus_one(i); }));
    long sum = 0;
    for (auto& f : futures) sum += f.get();
    benchmark::DoNotOptimize(sum);
    futures.clear();
  }
  state.SetItemsProcessed(state.iterations() * tasks);
}

// Caller and workers take turns on one core.
void submit_and_get_on_one_core(benchmark::State& state) {
  run_on(1);
  submit_and_get(state);
  run_on(-1);
}
void plain_submit_and_get_on_one_core(benchmark::State& state) {
  run_on(1);
  plain_submit_and_get(state);
  run_on(-1);
}

#ifdef KIN_BENCH_TBB
void tbb_task_group(benchmark::State& state) {
  const tbb::global_control two(tbb::global_control::max_allowed_parallelism, 2);
  std::atomic<int> done{0};
  for (auto _ : state) {
    tbb::task_group group;
    for (int i = 0; i < tasks; ++i) group.run([&] { done.fetch_add(1, std::memory_order_relaxed); });
    group.wait();
  }
  state.SetItemsProcessed(state.iterations() * tasks);
}
BENCHMARK(tbb_task_group)->UseRealTime()->Unit(benchmark::kMillisecond)->MinTime(1);
#endif
BENCHMARK(fire_and_forget)->UseRealTime()->Unit(benchmark::kMillisecond)->MinTime(1);
BENCHMARK(batch_and_forget)->UseRealTime()->Unit(benchmark::kMillisecond)->MinTime(1);
BENCHMARK(submit_and_get)->UseRealTime()->Unit(benchmark::kMillisecond)->MinTime(1);
BENCHMARK(plain_submit_and_get)->UseRealTime()->Unit(benchmark::kMillisecond)->MinTime(1);
BENCHMARK(submit_and_get_on_one_core)->UseRealTime()->Unit(benchmark::kMillisecond)->MinTime(1);
BENCHMARK(plain_submit_and_get_on_one_core)->UseRealTime()->Unit(benchmark::kMillisecond)->MinTime(1);

// --- a long task beside short ones

void nap(int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

// 31 tasks of a millisecond, submitted behind one of ten seconds, on two workers: how long until the short ones are
// done. Once: had one of them to wait for the long one, ten seconds are enough.
void short_beside_long(benchmark::State& state) {
  kin::pool workers(2);
  workers.map(nap, {1, 1, 1, 1}, {.chunk = 1});
  for (auto _ : state) {
    auto longest = workers.apply_async(nap, 10'000);
    std::vector<kin::future<void>> rest;
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < 31; ++i) rest.push_back(workers.apply_async(nap, 1));
    for (const auto& f : rest) f.get();
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    longest.cancel();
  }
}
// The promise counts in milliseconds.
void millisecond(benchmark::State& state) {
  for (auto _ : state) state.SetIterationTime(1e-3);
}
// The same 31 by one thread.
void naps_in_a_row(benchmark::State& state) {
  for (auto _ : state)
    for (int i = 0; i < 31; ++i) nap(1);
}
BENCHMARK(short_beside_long)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK(millisecond)->UseManualTime()->Iterations(1);
BENCHMARK(naps_in_a_row)->UseRealTime()->Unit(benchmark::kMillisecond)->Iterations(10);

}  // namespace

KIN_BENCH_MAIN()
