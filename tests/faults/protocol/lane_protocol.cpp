// SPDX-License-Identifier: BSL-1.0
// lane_protocol: what must hold of a task lane between processes, wherever the
// worker is stopped or killed. With the name of a mutant as its argument the
// lane is broken there; a second argument names the only check to run. Exit
// status 1, with a sentence, when something does not hold.
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <new>
#include <span>
#include <string>

#include <kin/core/error.hpp>

#include "memory/cpu.hpp"
#include "memory/mutant.hpp"
#include "os/futex.hpp"
#include "os/memory_barrier.hpp"
#include "pool/task_lane.hpp"

std::string_view kin::detail::active_mutant;

namespace {

using kin::detail::far_lane;
using kin::detail::lane_answers;
using kin::detail::lane_home;
using kin::detail::lane_orders;
using kin::detail::near_lane;
using kin::detail::order_kind;
using ticks = std::chrono::steady_clock;
constexpr std::chrono::seconds patience{8};  // for what takes microseconds; the machine may be busy
constexpr std::uint64_t tasks = 4;

[[noreturn]] void violated(const std::string& what) {
  std::printf("violated: %s\n", what.c_str());
  std::fflush(stdout);
  std::_Exit(1);
}

// A lane, and how often each task has run, in memory that copies of this
// process share.
struct world {
  lane_orders orders;
  lane_answers answers;
  lane_home home;
  std::atomic<int> ran[tasks];
  std::atomic<int> told;
};
class shared_world {
 public:
  shared_world()
      : all_(new(::mmap(nullptr, sizeof(world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) world{}) {}
  shared_world(const shared_world&) = delete;
  shared_world& operator=(const shared_world&) = delete;
  ~shared_world() { ::munmap(all_, sizeof(world)); }
  world* operator->() const { return all_; }
  world& operator*() const { return *all_; }

 private:
  world* all_;
};

bool light() {
  static const bool yes = kin::os::has_heavy_barrier();
  return yes;
}
near_lane pool_of(world& w) {
  near_lane pool{w.orders, w.answers, light()};
  pool.tell_processor(static_cast<std::uint32_t>(::sched_getcpu() + 1));
  return pool;
}
void put(near_lane& pool, std::uint64_t n) { pool.put(order_kind::in_slot, 0, 0, std::as_bytes(std::span(&n, 1))); }

// The worker: runs what comes until no more will.
void work(world& w) {
  far_lane lane(w.orders, w.answers, w.home, light());
  while (const auto order = lane.next([&] { ++w.told; })) {
    std::uint64_t n = 0;
    std::memcpy(&n, order->request.data(), sizeof n);
    ++w.ran[n];
    lane.answer(order->request);
  }
}

// A copy of this process that runs `body`; traced: stopped before it, to be
// stepped.
class copy {
 public:
  explicit copy(const std::function<void()>& body, bool traced = false) : pid_(::fork()) {
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (traced) ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr), ::raise(SIGSTOP);
      body();
      std::_Exit(0);
    }
    if (traced) ::waitpid(pid_, nullptr, 0);
  }
  copy(const copy&) = delete;
  copy& operator=(const copy&) = delete;
  ~copy() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] bool asleep() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/syscall");
    std::string call;
    return file >> call && call == std::to_string(SYS_futex);
  }
  void wait_until_asleep() const {
    for (const auto end = ticks::now() + patience; !asleep(); ::usleep(100))
      if (ticks::now() > end) violated("it does not go to sleep");
  }
  [[nodiscard]] bool finishes() const {
    for (const auto end = ticks::now() + patience; ticks::now() < end; ::usleep(50)) {
      siginfo_t info{};
      ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT);
      if (info.si_pid != 0) return true;
    }
    return false;
  }
  /// So many instructions on. False: it has ended, or sleeps in the kernel.
  [[nodiscard]] bool step(long n) const {
    for (; n > 0; --n) {
      ::ptrace(PTRACE_SINGLESTEP, pid_, nullptr, nullptr);
      int status = 0;
      for (int tries = 0; ::waitpid(pid_, &status, WNOHANG) != pid_; ++tries) {
        if (tries < 1000) continue;
        if (asleep()) return false;
        ::usleep(50);
      }
      if (!WIFSTOPPED(status)) {
        ended_ = true;
        return false;
      }
    }
    return true;
  }
  void go_on() const {
    if (!ended_) ::ptrace(PTRACE_DETACH, pid_, nullptr, nullptr);
  }

 private:
  pid_t pid_;
  mutable bool ended_ = false;
};

void a_sleeping_worker_is_woken() {
  const shared_world w;
  near_lane pool = pool_of(*w);
  const copy worker([&] { work(*w); });
  worker.wait_until_asleep();
  put(pool, 0);
  for (const auto end = ticks::now() + patience; !pool.next_sign().shows();)
    if (ticks::now() > end) violated("a task waits, and its worker sleeps");
  worker.wait_until_asleep();
  pool.leave();
  if (!worker.finishes()) violated("a worker that is to leave sleeps");
}

void a_sleeping_pool_is_woken() {
  const shared_world w;
  near_lane pool = pool_of(*w);
  pool.ring_after(0);
  const copy leader([&] { kin::os::futex_wait(w->home.bell.word, 0, kin::deadline::never()); });
  leader.wait_until_asleep();
  put(pool, 1);
  pool.leave();
  work(*w);
  if (!leader.finishes()) violated("an outcome is there, and the pool sleeps");
}

// Calls `one` with numbers of instructions from all over what a worker does
// with so many tasks until it ends or sleeps.
template <class One>
void all_over(std::uint64_t waiting, One one) {
  long length = 0;
  {
    const shared_world w;
    near_lane pool = pool_of(*w);
    for (std::uint64_t n = 0; n < waiting; ++n) put(pool, n);
    if (waiting > 0) pool.leave();
    const copy worker([&] { work(*w); }, true);
    while (worker.step(1)) ++length;
  }
  const char* const more = std::getenv("KIN_POINTS");
  const long points = more != nullptr ? std::atol(more) : 40, stride = std::max(1L, length / points);
  for (long n = 0; n <= length; n += stride) one(n);
  std::printf("%ld instructions, every %ldth\n", length, stride);
}

// A task comes after each instruction of the worker's way to sleep.
void no_wake_is_lost_on_the_way_to_sleep() {
  all_over(0, [](long instructions) {
    const shared_world w;
    near_lane pool = pool_of(*w);
    const copy worker([&] { work(*w); }, true);
    const bool inside = worker.step(instructions);
    put(pool, 2);
    pool.leave();
    worker.go_on();
    if (inside && !worker.finishes())
      violated("a task came after instruction " + std::to_string(instructions) + ", and its worker sleeps");
  });
}

// Killed after each instruction: what it has not said to have begun has not
// run.
void kills_lose_one_task_at_most() {
  all_over(tasks, [](long instructions) {
    const shared_world w;
    near_lane pool = pool_of(*w);
    for (std::uint64_t n = 0; n < tasks; ++n) put(pool, n);
    pool.leave();
    {
      const copy worker([&] { work(*w); }, true);
      (void)worker.step(instructions);
    }
    near_lane::outcome got{};
    std::uint64_t answered = 0;
    for (; pool.take(got) == near_lane::found::outcome; ++answered)
      if (got.size != sizeof answered || std::memcmp(got.bytes, &answered, sizeof answered) != 0)
        violated("an outcome is not what was answered");
    const std::uint64_t begun = pool.remaining();
    if (begun > 1) violated("more than one task has begun");
    for (std::uint64_t n = 0; n < tasks; ++n) {
      if (n < answered && w->ran[n] != 1) violated("a task was answered and has not run");
      if (n >= answered + begun && w->ran[n] != 0) violated("a task has run that goes back to the pool");
    }
  });
}

// Taken back after each instruction: what goes back is not run, and what stays
// is.
void what_is_taken_back_is_not_run() {
  all_over(tasks, [](long instructions) {
    const shared_world w;
    near_lane pool = pool_of(*w);
    for (std::uint64_t n = 0; n < tasks; ++n) put(pool, n);
    const copy worker([&] { work(*w); }, true);
    (void)worker.step(instructions);
    near_lane::outcome got{};
    std::uint64_t kept = 0;
    while (pool.take(got) == near_lane::found::outcome) ++kept;
    kept += pool.recall();
    pool.leave();
    worker.go_on();
    if (!worker.finishes()) violated("a worker whose tasks were taken back sleeps");
    for (std::uint64_t n = 0; n < tasks; ++n)
      if (w->ran[n] != (n < kept ? 1 : 0))
        violated("taken back after instruction " + std::to_string(instructions) + ": task " + std::to_string(n) +
                 " has run " + std::to_string(w->ran[n]) + " times, and " + std::to_string(kept) + " were left");
  });
}

// A thread of the pool that slept is awake after each instruction of the worker, looks once and goes. Either it has
// seen the outcome, or the worker tells of it before it sleeps.
void who_goes_hides_no_outcome() {
  all_over(1, [](long instructions) {
    const shared_world w;
    near_lane pool = pool_of(*w);
    put(pool, 3);
    pool.ring_after(0);
    const copy worker([&] { work(*w); }, true);
    const bool inside = worker.step(instructions);
    pool.ring_no_more();
    if (!light()) kin::detail::cpu::full_fence();
    near_lane::outcome got{};
    const bool seen = pool.take(got) == near_lane::found::outcome;
    worker.go_on();
    if (!inside) return;
    worker.wait_until_asleep();
    if (!seen && w->told == 0)
      violated("awake after instruction " + std::to_string(instructions) + ", nobody knows of the outcome");
  });
}

struct check {
  const char* name;
  void (*run)();
};
constexpr check checks[] = {
    {"a sleeping worker is woken", a_sleeping_worker_is_woken},
    {"a sleeping pool is woken", a_sleeping_pool_is_woken},
    {"no wake is lost on the way to sleep", no_wake_is_lost_on_the_way_to_sleep},
    {"who goes hides no outcome", who_goes_hides_no_outcome},
    {"kills lose one task at most", kills_lose_one_task_at_most},
    {"what is taken back is not run", what_is_taken_back_is_not_run},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) kin::detail::active_mutant = argv[1];
  // On the pool's processor nobody spins: a step of the way to sleep, and not of that,
  // is what counts.
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<unsigned>(::sched_getcpu()), &one);
  ::sched_setaffinity(0, sizeof one, &one);
  (void)light();
  for (const check& c : checks) {
    if (argc > 2 && argv[2][0] != 0 && std::strcmp(argv[2], c.name) != 0) continue;
    try {
      c.run();
    } catch (const kin::error& e) {
      violated(e.what());
    }
  }
  std::printf("holds\n");
  return 0;
}
