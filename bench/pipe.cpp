// SPDX-License-Identifier: BSL-1.0
// pipe: a connection's round trip and stream between two processes, against what the machine allows: a cache line that
// goes to the other core and back, memcpy, pipe(2), a futex. Names say where the two run: "apart" on two cores, "near"
// on one; "cold": a ping each millisecond, so that both sleep in between, wherever the kernel puts them.
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>
#include <vector>

#include <kin/kin.hpp>

#include "support.hpp"

namespace {

using std::chrono::steady_clock;

enum placement { free_choice, apart, near };

void run_on(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (core >= 0) {
    CPU_SET(static_cast<unsigned>(core), &set);
  } else {
    for (unsigned i = 0; i < CPU_SETSIZE; ++i) CPU_SET(i, &set);
  }
  if (::sched_setaffinity(0, sizeof set, &set) != 0) bench::die("sched_setaffinity");
}
int core_here(placement p) { return p == free_choice ? -1 : 0; }
int core_there(placement p) { return p == free_choice ? -1 : p == apart ? 1 : 0; }

template <class T>
T* shared() {
  void* p = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) bench::die("mmap");
  return new (p) T{};
}

// --- round trips ----------------------------------------------------------------------------------------------------

// The limit: one word that two cores write in turn.
void line_round_trip(benchmark::State& state) {
  auto* word = shared<std::atomic<std::uint64_t>>();
  const pid_t child = bench::forked([&] {
    run_on(1);
    for (std::uint64_t i = 1;; i += 2) {
      std::uint64_t seen = 0;
      while ((seen = word->load(std::memory_order_acquire)) != i)
        if (seen == ~std::uint64_t{0}) return;
      word->store(i + 1, std::memory_order_release);
    }
  });
  run_on(0);
  std::uint64_t i = 0;
  for (auto _ : state) {
    word->store(i + 1, std::memory_order_release);
    while (word->load(std::memory_order_acquire) != i + 2) {
    }
    i += 2;
  }
  word->store(~std::uint64_t{0});
  bench::join(child);
  ::munmap(word, sizeof *word);
  run_on(-1);
}

// A word in shared memory and a sleep on it, nothing more.
struct futex_pair {
  alignas(128) std::atomic<std::uint32_t> there, back;
};
void futex_pass(std::atomic<std::uint32_t>& word) {
  word.fetch_add(1);
  ::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}
void futex_await(std::atomic<std::uint32_t>& word, std::uint32_t old) {
  while (word.load() == old) ::syscall(SYS_futex, &word, FUTEX_WAIT, old, nullptr, nullptr, 0);
}
void futex_round_trip_near(benchmark::State& state) {
  auto* pair = shared<futex_pair>();
  auto* last = shared<std::atomic<bool>>();
  const pid_t child = bench::forked([&] {
    run_on(0);
    for (std::uint32_t i = 0; !last->load(); ++i) {
      futex_await(pair->there, i);
      futex_pass(pair->back);
    }
  });
  run_on(0);
  std::uint32_t i = 0;
  const auto round_trip = [&] {
    futex_pass(pair->there);
    futex_await(pair->back, i++);
  };
  for (auto _ : state) round_trip();
  last->store(true);
  futex_pass(pair->there);
  bench::join(child);
  ::munmap(pair, sizeof *pair);
  ::munmap(last, sizeof *last);
  run_on(-1);
}

void raw_round_trip(benchmark::State& state) {
  bench::raw_echo other;
  for (auto _ : state) benchmark::DoNotOptimize(other.round_trip(1));
}

/// Times `once` each millisecond.
template <class F>
void each_millisecond(benchmark::State& state, F once) {
  for (auto _ : state) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const auto start = steady_clock::now();
    once();
    state.SetIterationTime(std::chrono::duration<double>(steady_clock::now() - start).count());
  }
}
void raw_round_trip_cold(benchmark::State& state) {
  bench::raw_echo other;
  each_millisecond(state, [&] { other.round_trip(1); });
}

void echo_bytes(kin::connection c, int core) {
  run_on(core);
  std::byte room[8];
  try {
    for (;;) {
      c.recv_bytes_into(room);
      c.send_bytes(room);
    }
  } catch (const kin::closed_error&) {
  }
}
void echo_values(kin::connection c, int core) {
  run_on(core);
  try {
    for (;;) c.send(c.recv<long>());
  } catch (const kin::closed_error&) {
  }
}

class echoing {
 public:
  echoing(void (*how)(kin::connection, int), placement p)
      : ends_(kin::pipe()), other_(how, std::move(ends_.second), core_there(p)) {
    run_on(core_here(p));
  }
  ~echoing() {
    ends_.first.close();
    run_on(-1);
  }
  void bytes() {
    ends_.first.send_bytes(word_);
    ends_.first.recv_bytes_into(word_);
  }
  void value() {
    ends_.first.send(1L);
    benchmark::DoNotOptimize(ends_.first.recv<long>());
  }

 private:
  kin::pipe_ends ends_;
  kin::process other_;
  std::byte word_[8]{};
};
void kin_round_trip(benchmark::State& state, placement p) {
  echoing other(echo_bytes, p);
  for (auto _ : state) other.bytes();
}
void kin_round_trip_of_a_value(benchmark::State& state, placement p) {
  echoing other(echo_values, p);
  for (auto _ : state) other.value();
}
void kin_round_trip_cold(benchmark::State& state) {
  echoing other(echo_bytes, free_choice);
  each_millisecond(state, [&] { other.bytes(); });
}
BENCHMARK(line_round_trip)->UseRealTime();
BENCHMARK(futex_round_trip_near)->UseRealTime();
BENCHMARK(raw_round_trip)->UseRealTime();
BENCHMARK(raw_round_trip_cold)->UseManualTime();
BENCHMARK_CAPTURE(kin_round_trip, free, free_choice)->UseRealTime();
BENCHMARK_CAPTURE(kin_round_trip, apart, apart)->UseRealTime();
BENCHMARK_CAPTURE(kin_round_trip, near, near)->UseRealTime();
BENCHMARK_CAPTURE(kin_round_trip_of_a_value, free, free_choice)->UseRealTime();
BENCHMARK_CAPTURE(kin_round_trip_of_a_value, apart, apart)->UseRealTime();
BENCHMARK(kin_round_trip_cold)->UseManualTime();

// --- one way: `range(0)` bytes a message, from a child to this process, on two cores
// -----------------------------------

void copy(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  const std::vector<std::byte> from(size, std::byte{1});
  std::vector<std::byte> to(size);
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), size);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

// Into memory that malloc has just got, as every vector of that size has.
void copy_anew(benchmark::State& state) {
  const std::vector<double> from(static_cast<std::size_t>(state.range(0)) / sizeof(double), 1);
  for (auto _ : state) {
    std::vector<double> to(from);
    benchmark::DoNotOptimize(to.data());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void produce(kin::connection c, std::size_t size) {
  run_on(1);
  const std::vector<std::byte> message(size, std::byte{1});
  try {
    for (;;) c.send_bytes(message);
  } catch (const kin::closed_error&) {
  }
}
// The same, as a typed vector.
void produce_vectors(kin::connection c, std::size_t size) {
  run_on(1);
  const std::vector<double> message(size / sizeof(double), 1);
  try {
    for (;;) c.send(message);
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
    run_on(1);
    ::close(ends[0]);
    const std::vector<char> message(size, 1);
    for (;;) bench::write_all(ends[1], message.data(), size);
  });
  ::close(ends[1]);
  run_on(0);
  std::vector<char> buffer(size);
  for (auto _ : state) bench::read_all(ends[0], buffer.data(), size);
  state.SetBytesProcessed(state.iterations() * state.range(0));
  ::close(ends[0]);
  bench::join(child);
  run_on(-1);
}
// The same, each built in place.
void produce_in_place(kin::connection c, std::size_t size) {
  run_on(1);
  try {
    for (;;) {
      auto room = c.loan(size);
      room.bytes()[0] = std::byte{1};
      room.commit();
    }
  } catch (const kin::closed_error&) {
  }
}
template <class Receive, class Prepare>
void receive_all(benchmark::State& state, void (*producer)(kin::connection, std::size_t), Prepare prepare,
                 Receive receive) {
  const auto size = static_cast<std::size_t>(state.range(0));
  auto [reader, writer] = kin::pipe(kin::simplex);
  const kin::process other(producer, std::move(writer), size);
  run_on(0);
  prepare(reader);
  for (auto _ : state) receive(reader);
  state.SetBytesProcessed(state.iterations() * state.range(0));
  reader.close();
  run_on(-1);
}
void kin_one_way(benchmark::State& state) {
  std::vector<std::byte> buffer(static_cast<std::size_t>(state.range(0)));
  const auto receive = [&](kin::connection& from) { from.recv_bytes_into(buffer); };
  // The ring grows, and the process finds out which copies are faster.
  const auto prepare = [&](kin::connection& from) {
    for (std::size_t had = 0; had < std::size_t{16} << 20; had += std::max(buffer.size(), std::size_t{32}))
      receive(from);
  };
  receive_all(state, produce, prepare, receive);
}
// Each is a vector of its own at the reader, too.
void kin_one_way_vector(benchmark::State& state) {
  const auto receive = [](kin::connection& from) { benchmark::DoNotOptimize(from.recv<std::vector<double>>().data()); };
  receive_all(state, produce_vectors, receive, receive);
}
// Built in place, read in place, in memory that has been used before.
void kin_loan(benchmark::State& state) {
  const auto prepare = [&](kin::connection& from) {
    // While some are kept the producer needs others: so all of its blocks are made now.
    const std::size_t blocks =
        std::clamp<std::size_t>((std::size_t{64} << 20) / static_cast<std::size_t>(state.range(0)), 2, 15);
    std::vector<kin::message_view> kept;
    while (kept.size() < blocks) kept.push_back(from.recv_view());
    kept.clear();
    // What the producer has built elsewhere meanwhile.
    for (std::size_t i = 0; i < blocks + 2; ++i) (void)from.recv_view();
  };
  receive_all(state, produce_in_place, prepare, [](kin::connection& from) {
    const auto message = from.recv_view();
    benchmark::DoNotOptimize(message.bytes()[0]);
  });
}
BENCHMARK(copy)->Arg(64)->Arg(64 << 10)->Arg(1 << 20)->Arg(64 << 20)->UseRealTime();
BENCHMARK(raw_one_way)->Arg(8)->Arg(64)->Arg(1 << 20)->UseRealTime();
BENCHMARK(kin_one_way)->Arg(8)->Arg(64)->Arg(64 << 10)->Arg(1 << 20)->Arg(64 << 20)->UseRealTime();
BENCHMARK(copy_anew)->Arg(64 << 20)->UseRealTime();
BENCHMARK(kin_one_way_vector)->Arg(64 << 20)->UseRealTime();
BENCHMARK(kin_loan)->Arg(64)->Arg(64 << 10)->Arg(1 << 20)->Arg(64 << 20)->UseRealTime();

}  // namespace

KIN_BENCH_MAIN()
