// SPDX-License-Identifier: BSL-1.0
// limited_nouns: one of each noun whose use() takes memory, whatever an earlier use() that failed has left, and says
// whether what it read was right. For small_files, and for file_size_limit_test, which names them.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <kin/kin.hpp>

namespace kin_test {

template <class... Nouns>
struct list_of {};

/// What starts workers wraps the cause in a start_error.
template <class Body>
bool failed_as_it_should(Body body) {
  try {
    body();
    return false;
  } catch (const kin::os_error&) {
    return true;
  } catch (const kin::start_error&) {
    return true;
  }
}

inline std::vector<int> numbers(std::size_t n) {
  std::vector<int> all(n);
  std::iota(all.begin(), all.end(), 1);
  return all;
}

struct some_values {
  static constexpr std::string_view name = "value";
  static constexpr bool needs_memory = true;
  using large = std::array<char, 100'000>;
  kin::value<int> first{1};
  bool use() {
    std::deque<kin::value<large>> all;
    for (int i = 0; i < 30; ++i) all.emplace_back().store(large{'x'});
    return first.load() == 1 && all.back().load()[0] == 'x';
  }
};

struct some_arrays {
  static constexpr std::string_view name = "array";
  static constexpr bool needs_memory = true;
  kin::array<int> first{1000};
  bool use() {
    first[999] = 3;
    for (const int n : {10, 1000, 20'000, 1'000'000}) {
      const kin::array<int> next(n);
      std::fill(next.begin(), next.end(), n);
      if (next[static_cast<std::size_t>(n) - 1] != n) return false;
    }
    return first[999] == 3;
  }
};

struct some_memory {
  static constexpr std::string_view name = "shared_memory";
  static constexpr bool needs_memory = true;
  kin::shared_memory first{5000};
  bool use() {
    first.bytes().back() = std::byte{3};
    for (const int n : {10, 20'000, 2'000'000}) {
      const kin::shared_memory next(n);
      std::ranges::fill(next.bytes(), std::byte{7});
    }
    return first.bytes().back() == std::byte{3};
  }
};

struct some_named_memory {
  static constexpr std::string_view name = "named_memory";
  static constexpr bool needs_memory = true;
  std::string own = "kin-limits-" + std::to_string(::getpid());
  kin::shared_memory first{5000, {.name = own}};
  bool use() {
    first.bytes().back() = std::byte{3};
    for (const int n : {10, 20'000, 2'000'000}) {
      const std::string next = own + "-next";
      try {
        const kin::shared_memory made(n, {.name = next});
        std::ranges::fill(made.bytes(), std::byte{7});
        made.unlink();
      } catch (const kin::os_error&) {
        if (kin::shared_memory::unlink(next)) return false;  // what was not made has no name
        throw;
      }
    }
    return first.bytes().back() == std::byte{3};
  }
  ~some_named_memory() { first.unlink(); }
};

struct a_list {
  static constexpr std::string_view name = "shared_list";
  static constexpr bool needs_memory = true;
  kin::shared_list<std::string> all{};
  bool use() {
    all.clear();
    std::size_t n = 0;
    try {
      for (; n < 2500; ++n) all.push_back(std::string(1000, static_cast<char>('a' + n % 20)));
    } catch (const kin::os_error&) {
      if (all.size() != n || (n > 0 && all[n - 1][0] != static_cast<char>('a' + (n - 1) % 20))) std::abort();
      throw;
    }
    return all.size() == 2500 && all[2499] == std::string(1000, 'a' + 2499 % 20);
  }
};

struct a_dict {
  static constexpr std::string_view name = "shared_dict";
  static constexpr bool needs_memory = true;
  kin::shared_dict<int, std::string> all{};
  bool use() {
    all.clear();
    int n = 0;
    try {
      for (; n < 2500; ++n) all.set(n, std::string(1000, static_cast<char>('a' + n % 20)));
    } catch (const kin::os_error&) {
      if (all.size() != static_cast<std::size_t>(n) || (n > 0 && all.at(0) != std::string(1000, 'a'))) std::abort();
      throw;
    }
    return all.size() == 2500 && all.at(2499) == std::string(1000, 'a' + 2499 % 20);
  }
};

struct many_locks {
  static constexpr std::string_view name = "locks";
  static constexpr bool needs_memory = true;
  kin::mutex first{};
  bool use() {
    std::deque<kin::mutex> mutexes;
    std::deque<kin::counting_semaphore> semaphores;
    std::deque<kin::event> events;
    std::deque<kin::barrier> barriers;
    std::deque<kin::condition_variable> conditions;
    std::deque<kin::recursive_mutex> recursive;
    for (int i = 0; i < 1000; ++i) {
      mutexes.emplace_back();
      semaphores.emplace_back(3);
      events.emplace_back();
      barriers.emplace_back(1);
      conditions.emplace_back();
      recursive.emplace_back();
    }
    for (const kin::mutex& m : mutexes)
      if (!m.try_lock()) return false;
    for (const kin::mutex& m : mutexes) m.unlock();
    for (const kin::counting_semaphore& s : semaphores) s.acquire();
    for (const kin::barrier& b : barriers) b.wait();
    for (const kin::event& e : events)
      if (e.is_set()) return false;
    const std::scoped_lock hold(first);
    return true;
  }
};

template <class T>
struct a_queue {
  static constexpr bool needs_memory = true;
  kin::queue<T> items;
  explicit a_queue(int capacity) : items(capacity) {}
  template <class Make, class IsIt>
  bool put_and_get(int n, Make make, IsIt is_it) {
    while (items.try_get()) {
    }
    int put = 0;
    const auto get_all = [&] {
      for (int i = 0; i < put; ++i) {
        auto item = items.try_get();
        if (!item || !is_it(*item, i)) std::abort();  // torn, or lost
      }
      return items.empty();
    };
    try {
      for (; put < n; ++put) items.put(make(put));
    } catch (const kin::os_error&) {
      if (!get_all()) std::abort();
      throw;
    }
    return get_all();
  }
};

template <int capacity>
struct queue_of_ints : a_queue<int> {
  static constexpr std::string_view name = capacity == 0 ? "queue_of_ints" : "bounded_queue_of_ints";
  queue_of_ints() : a_queue(capacity) {}
  bool use() {
    return put_and_get(
        100'000, [](int i) { return i; }, [](int item, int i) { return item == i; });
  }
};

template <int capacity>
struct queue_of_strings : a_queue<std::string> {
  static constexpr std::string_view name = capacity == 0 ? "queue_of_strings" : "bounded_queue_of_strings";
  static std::string large(int i) { return std::string(i % 7 == 0 ? 1'500'000 : 50'000, static_cast<char>('a' + i)); }
  queue_of_strings() : a_queue(capacity) {}
  bool use() {
    return put_and_get(20, large, [](const std::string& item, int i) { return item == large(i); });
  }
};

struct a_file {
  kin::unique_fd fd{};
  std::string text{};
};
struct queue_of_descriptors : a_queue<a_file> {
  static constexpr std::string_view name = "queue_of_descriptors";
  queue_of_descriptors() : a_queue(0) {}
  bool use() {
    return put_and_get(
        30,
        [](int i) {
          return a_file{kin::unique_fd(::fcntl(2, F_DUPFD_CLOEXEC, 3)), queue_of_strings<0>::large(i % 20 + 1)};
        },
        [](const a_file& item, int i) { return item.fd && item.text == queue_of_strings<0>::large(i % 20 + 1); });
  }
};

struct a_pipe {
  static constexpr std::string_view name = "pipe";
  static constexpr bool needs_memory = true;
  kin::pipe_ends ends = kin::pipe();
  /// What `send` sends, or, when that fails, nothing.
  template <class Send>
  bool crosses(const std::string& text, Send send) {
    std::optional<kin::os_error> failure;
    std::jthread sender([&] {
      try {
        send(ends.first);
      } catch (const kin::os_error& e) {
        failure = e;
        ends.first.send_bytes({});
      }
    });
    const auto bytes = ends.second.recv_bytes();
    sender.join();
    if (failure) throw kin::os_error(*failure);
    return std::ranges::equal(bytes, std::as_bytes(std::span(text)));
  }
  bool use() {
    for (const std::size_t n : {10UL, 3000UL, 100'000UL, 1UL << 20, 3UL << 20}) {
      const std::string text(n, 'm');
      const auto bytes = std::as_bytes(std::span(text));
      if (!crosses(text, [&](kin::connection& to) { to.send_bytes(bytes); })) return false;
      if (!crosses(text, [&](kin::connection& to) {
            auto room = to.loan(n);
            std::ranges::copy(bytes, room.bytes().begin());
            room.commit();
          }))
        return false;
    }
    auto [a, b] = kin::pipe();
    a.send(numbers(100));
    return b.recv<std::vector<int>>() == numbers(100);
  }
};

inline int increment(int n) { return n + 1; }
inline std::size_t size_of(const std::vector<char>& v) { return v.size(); }
inline std::vector<char> of_size(std::size_t n) { return std::vector<char>(n, 'r'); }

struct a_pool {
  static constexpr std::string_view name = "pool";
  static constexpr bool needs_memory = true;
  kin::pool workers{2};
  bool use() {
    constexpr std::size_t large = 16 << 20;
    if (workers.apply(increment, 1) != 2) return false;
    const std::vector<int> items = numbers(1'000'000);
    const std::vector<int> mapped = workers.map(increment, items);
    if (mapped.size() != items.size() || mapped.back() != 1'000'001) return false;
    if (workers.apply(size_of, std::vector<char>(large)) != large) return false;
    return workers.apply(of_size, large) == std::vector<char>(large, 'r');
  }
};

struct a_manager {
  static constexpr std::string_view name = "manager";
  static constexpr bool needs_memory = false;  // of its own: pipes
  kin::manager server{};
  kin::list_proxy<std::string> all = server.list<std::string>();
  bool use() {
    all.clear();
    for (int i = 0; i < 20; ++i) all.push_back(std::string(100'000, 'm'));
    return all.size() == 20 && all[19] == std::string(100'000, 'm');
  }
};

template <int method>
struct a_process {
  static constexpr std::string_view name = method == 0   ? "process"
                                           : method == 1 ? "forkserver_process"
                                                         : "forked_process";
  static constexpr bool needs_memory = false;
  static constexpr kin::start_method methods[] = {kin::start::spawn, kin::start::forkserver, kin::start::fork};
  bool use() {
    auto [here, there] = kin::pipe();
    kin::process child(
        {.start = methods[method]}, [](kin::connection to, const std::string& text) { to.send(text.size()); },
        std::move(there), std::string(3 << 20, 'a'));
    return here.recv<std::size_t>() == 3U << 20;
  }
};

using all_limited = list_of<some_values, some_arrays, some_memory, some_named_memory, a_list, a_dict, many_locks,
                            queue_of_ints<0>, queue_of_ints<100'000>, queue_of_strings<0>, queue_of_strings<20>,
                            queue_of_descriptors, a_pipe, a_pool, a_manager, a_process<0>, a_process<1>, a_process<2>>;

}  // namespace kin_test
