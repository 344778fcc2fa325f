// SPDX-License-Identifier: BSL-1.0
// all_nouns: one of each noun, shared by all tasks of a chaos, and what tasks do with them: each returns n * n. None of
// them waits for ever, whoever was killed just before.
#pragma once

#include <fcntl.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <kin/kin.hpp>

namespace kin_test {

using namespace std::chrono_literals;

struct nouns {
  kin::mutex mutex{};
  kin::recursive_mutex recursive{};
  kin::condition_variable changed{};
  kin::counting_semaphore permits{2};
  kin::bounded_semaphore bounded{2};
  kin::event event{};
  kin::barrier barrier{2};
  kin::queue<int> queue{};
  kin::joinable_queue<int> work{};
  kin::value<long> value{0};
  kin::array<int> array{};
  kin::shared_memory memory{16 << 10};
  kin::shared_dict<int, std::string> dict{};
  kin::shared_list<int> list{};
  kin::dict_proxy<std::string, int> ages;
  kin::list_proxy<int> names;
  kin::array<int> runs{};  ///< of each task, by its number
  int start = 0;           ///< the method by which tasks start processes
};

inline kin::start_method method_of(int number) {
  for (const kin::start_method m : {kin::start_method(kin::start::fork), kin::start_method(kin::start::forkserver)})
    if (static_cast<int>(m.which()) == number) return m;
  return kin::start::spawn;
}

template <class Mutex>
std::unique_lock<Mutex> locked(const Mutex& m) {
  try {
    return std::unique_lock(const_cast<Mutex&>(m));
  } catch (const kin::owner_died&) {
    return m.recover();
  }
}

namespace actions {

inline int square(int n) { return n * n; }
inline void echo(kin::connection to) { to.send(2 * to.recv<int>()); }

inline int locks(const nouns& all, int n) {
  const auto hold = locked(all.mutex);
  all.value.fetch_add(1);
  all.changed.notify_all();
  return n * n;
}
inline int locks_twice(const nouns& all, int n) {
  const auto hold = locked(all.recursive);
  const auto again = locked(all.recursive);
  return hold.owns_lock() && again.owns_lock() ? n * n : -1;
}
inline int waits(const nouns& all, int n) {
  auto hold = locked(all.mutex);
  try {
    (void)all.changed.wait_for(hold, 1ms);
  } catch (const kin::owner_died&) {
    (void)all.mutex.recover();  // unlocked again at once
  }
  return n * n;
}
inline int acquires(const nouns& all, int n) {
  if (all.permits.try_acquire_for(1ms)) all.permits.release();  // who died has taken its permit along
  if (all.bounded.try_acquire_for(1ms)) all.bounded.release();
  return n * n;
}
inline int meets(const nouns& all, int n) {
  try {
    if (all.barrier.wait_for(1ms) > 1) return -1;
  } catch (const kin::broken_barrier&) {
    all.barrier.reset();
  }
  return n * n;
}
inline int queues(const nouns& all, int n) {
  all.queue.put(n);
  (void)all.queue.get_for(1ms);
  all.event.set();
  return n * n;
}
inline int works(const nouns& all, int n) {
  all.work.put(n);
  if (all.work.get_for(1ms)) all.work.task_done();
  (void)all.work.join_for(100us);  // who died has left something undone
  return n * n;
}
inline int keeps(const nouns& all, int n) {
  all.dict.set(n % 50, std::string(static_cast<std::size_t>(n % 300), 'x'));
  const auto found = all.dict.get(n % 50);
  if (found && found->find_first_not_of('x') != std::string::npos) return -1;
  if (all.list.size() < 200) all.list.push_back(n);
  all.array[static_cast<std::size_t>(n) % all.array.size()] = n;
  all.memory.bytes()[static_cast<std::size_t>(n) % all.memory.size()] = std::byte{1};
  return n * n;
}
inline int asks_the_manager(const nouns& all, int n) {
  all.ages.update("visits", [](int& visits) { ++visits; });
  all.names.push_back(n);
  if (all.names.size() > 100) all.names.clear();
  return n * n;
}
inline int uses_threads(const nouns&, int n) {
  kin::thread_pool threads(2);
  const auto all = threads.map(square, {n, n + 1, n});
  return all[0];
}
inline int asks_its_pool(const nouns&, int n) { return kin::current_pool().apply(square, n); }
inline int starts_a_process(const nouns& all, int n) {
  auto [a, b] = kin::pipe();
  kin::process child({.start = method_of(all.start)}, echo, std::move(b));
  a.send(n);
  return a.recv<int>() == 2 * n ? n * n : -1;
}
inline int takes_all_descriptors(const nouns&, int n) {
  std::vector<kin::unique_fd> all;
  for (;;) {
    all.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!all.back()) break;
  }
  auto [a, b] = kin::pipe();  // throws
  return a.closed() ? -1 : n * n;
}
inline int throws(const nouns&, int n) { throw std::out_of_range(std::to_string(n)); }
inline int dies(const nouns&, int n) {
  ::raise(SIGKILL);
  return n * n;
}
inline int takes_much_memory(const nouns&, int n) {
  return static_cast<int>(std::vector<char>(std::size_t{1} << 30, 'x').size()) > 0 ? n * n : -1;
}

/// Those before `harmless` may run in the caller, too; those before `anywhere` in every process.
inline constexpr int (*all[])(const nouns&, int) = {locks,
                                                    locks_twice,
                                                    waits,
                                                    acquires,
                                                    meets,
                                                    queues,
                                                    works,
                                                    keeps,
                                                    asks_the_manager,
                                                    uses_threads,
                                                    starts_a_process,
                                                    takes_all_descriptors,
                                                    throws,
                                                    dies,
                                                    asks_its_pool,
                                                    takes_much_memory};
inline constexpr std::size_t harmless = 10, anywhere = 14;
inline bool needs_limit(std::size_t which) { return all[which] == takes_much_memory; }

}  // namespace actions

/// A task: its number, what it does, and with which n.
struct job {
  int number = 0, action = 0, n = 0;
};
inline int perform(const nouns& all, job j) {
  std::atomic_ref(all.runs.at(static_cast<std::size_t>(j.number))).fetch_add(1);
  return actions::all[j.action](all, j.n);
}
inline int perform_as(const nouns& all, job j, int n) { return perform(all, {j.number, j.action, n}); }

}  // namespace kin_test
