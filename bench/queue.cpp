// SPDX-License-Identifier: BSL-1.0
// queue: 64-byte items between processes, against a cache line's round trip, pipe(2), and, where those are installed,
// moodycamel's queue between threads and Boost.Interprocess's between processes. One producer and one consumer are
// pinned to a core each; two and two are four processes on two cores, as the kernel likes.
#include <sched.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include <kin/kin.hpp>

#include "support.hpp"

#if __has_include(<concurrentqueue/blockingconcurrentqueue.h>)
#include <concurrentqueue/blockingconcurrentqueue.h>
#define KIN_BENCH_MOODYCAMEL
#endif

#if __has_include(<boost/interprocess/ipc/message_queue.hpp>)
#include <boost/interprocess/ipc/message_queue.hpp>
#define KIN_BENCH_BOOST
#endif

namespace {

using item = std::array<char, 64>;
using ticks = std::chrono::steady_clock;
constexpr std::uint64_t batch = 1000;  // so that what is measured is the stream, and not the loop that measures

enum placement { anywhere, first_core, second_core };
void stay(placement where) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int core = 0; core < 2; ++core)
    if (where == anywhere || where == first_core + core) CPU_SET(core, &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0) bench::die("sched_setaffinity");
}

double seconds_since(ticks::time_point start) { return std::chrono::duration<double>(ticks::now() - start).count(); }

struct alignas(128) counter {
  std::atomic<std::uint64_t> n;
};
// Memory that forked processes share.
counter* shared_counters() {
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) bench::die("mmap");
  return static_cast<counter*>(page);
}

// The unit of what two cores can do: each answers the other as soon as it sees the line change.
void cache_line(benchmark::State& state) {
  counter* line = shared_counters();
  stay(first_core);
  const pid_t echo = bench::forked([&] {
    stay(second_core);
    for (std::uint64_t seen = 1; seen != ~0ull; seen = line->n.load(std::memory_order_acquire))
      if (seen % 2 == 1) line->n.compare_exchange_strong(seen, seen + 1);
  });
  std::uint64_t now = line->n = 2;
  for (auto _ : state)
    for (std::uint64_t i = 0; i < batch; ++i) {
      line->n.store(++now, std::memory_order_release);
      ++now;
      while (line->n.load(std::memory_order_acquire) != now) {
      }
    }
  line->n = ~0ull;
  bench::join(echo);
  stay(anywhere);
  ::munmap(line, 4096);
}

void produce(const kin::queue<item>& items, placement where) {
  stay(where);
  try {
    for (;;) items.put(item{});
  } catch (const kin::closed_error&) {
  }
}

// What each consumer has taken.
class tallies {
 public:
  explicit tallies(int consumers) : taken_(shared_counters()), consumers_(consumers) {}
  tallies(const tallies&) = delete;
  tallies& operator=(const tallies&) = delete;
  ~tallies() { ::munmap(taken_, 4096); }

  void count(int consumer) const {
    auto& n = taken_[consumer].n;
    n.store(n.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t all() const {
    std::uint64_t sum = 0;
    for (int c = 0; c < consumers_; ++c) sum += taken_[c].n.load(std::memory_order_relaxed);
    return sum;
  }

 private:
  counter* taken_;
  int consumers_;
};
// What all consumers take while this one, the first, takes a batch; the time of 1000 of them.
template <class Take>
void time_batches(benchmark::State& state, const tallies& taken, Take take) {
  for (auto _ : state) {
    const std::uint64_t before = taken.all();
    const auto start = ticks::now();
    for (std::uint64_t i = 0; i < batch; ++i) {
      take();
      taken.count(0);
    }
    state.SetIterationTime(seconds_since(start) * batch / static_cast<double>(taken.all() - before));
  }
}

void stream(benchmark::State& state, int producers, int consumers) {
  const bool apart = producers + consumers == 2;
  stay(apart ? first_core : anywhere);
  const kin::queue<item> items(1024);
  const tallies taken(consumers);
  const auto take = [&] { benchmark::DoNotOptimize(items.get()); };
  {
    std::vector<kin::process> others;
    for (int p = 0; p < producers; ++p)
      others.emplace_back(kin::start::fork, [&] { produce(items, apart ? second_core : anywhere); });
    for (int c = 1; c < consumers; ++c)
      others.emplace_back(kin::start::fork, [&, c] {
        try {
          for (;; taken.count(c)) take();
        } catch (const kin::closed_error&) {
        }
      });
    time_batches(state, taken, take);
    items.close();
  }
  stay(anywhere);
}
void one_and_one(benchmark::State& state) { stream(state, 1, 1); }
void two_and_two(benchmark::State& state) { stream(state, 2, 2); }

void one_process(benchmark::State& state) {
  const kin::queue<item> items(1024);
  for (auto _ : state) {
    items.put(item{});
    benchmark::DoNotOptimize(items.get());
  }
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

#ifdef KIN_BENCH_MOODYCAMEL
void moodycamel_queue(benchmark::State& state, int pairs) {
  constexpr std::uint64_t each = 200 * batch;
  for (auto _ : state) {
    moodycamel::BlockingConcurrentQueue<item> items(2048);
    const auto start = ticks::now();
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < pairs; ++i) {
        threads.emplace_back([&] {
          for (std::uint64_t n = 0; n < each; ++n) items.enqueue(item{});
        });
        threads.emplace_back([&] {
          item one;
          for (std::uint64_t n = 0; n < each; ++n) {
            items.wait_dequeue(one);
            benchmark::DoNotOptimize(one);
          }
        });
      }
    }
    state.SetIterationTime(seconds_since(start) * batch / static_cast<double>(each * static_cast<unsigned>(pairs)));
  }
}
void moodycamel_one_and_one(benchmark::State& state) { moodycamel_queue(state, 1); }
void moodycamel_two_and_two(benchmark::State& state) { moodycamel_queue(state, 2); }
BENCHMARK(moodycamel_one_and_one)->UseManualTime()->Iterations(50);
BENCHMARK(moodycamel_two_and_two)->UseManualTime()->Iterations(50);
#endif

#ifdef KIN_BENCH_BOOST
using boost::interprocess::message_queue;

void take_from(message_queue& items) {
  item one{};
  std::size_t size = 0;
  unsigned priority = 0;
  items.receive(one.data(), one.size(), size, priority);
  benchmark::DoNotOptimize(one);
}
void boost_stream(benchmark::State& state, int pairs) {
  const bool apart = pairs == 1;
  const std::string name = "kin-bench-" + std::to_string(::getpid());
  stay(apart ? first_core : anywhere);
  message_queue items(boost::interprocess::create_only, name.c_str(), 1024, sizeof(item));
  const tallies taken(pairs);
  std::vector<pid_t> others;
  for (int p = 0; p < pairs; ++p)
    others.push_back(bench::forked([&] {
      stay(apart ? second_core : anywhere);
      const item one{};
      for (;;) items.send(one.data(), one.size(), 0);
    }));
  for (int c = 1; c < pairs; ++c)
    others.push_back(bench::forked([&] {
      for (;; taken.count(c)) take_from(items);
    }));
  message_queue::remove(name.c_str());  // all have it mapped
  time_batches(state, taken, [&] { take_from(items); });
  for (const pid_t one : others) ::kill(one, SIGKILL), bench::join(one);
  stay(anywhere);
}
void boost_one_and_one(benchmark::State& state) { boost_stream(state, 1); }
void boost_two_and_two(benchmark::State& state) { boost_stream(state, 2); }
BENCHMARK(boost_one_and_one)->UseManualTime()->Iterations(1000);
BENCHMARK(boost_two_and_two)->UseManualTime()->Iterations(1000);
#endif

BENCHMARK(cache_line)->UseRealTime();
BENCHMARK(one_process);
BENCHMARK(one_and_one)->UseManualTime()->Iterations(1000);
BENCHMARK(two_and_two)->UseManualTime()->Iterations(1000);
BENCHMARK(raw_pipe)->UseRealTime();

}  // namespace

KIN_BENCH_MAIN()
