// SPDX-License-Identifier: BSL-1.0
// roles_to_kill: what processes do with mutexes, condition variables, semaphores, barriers, events, queues, pipes,
// values, dicts and lists while random_kills_test.cpp kills them; each role checks what it sees.
#pragma once

#include <kin/barrier.hpp>
#include <kin/condition_variable.hpp>
#include <kin/event.hpp>
#include <kin/mutex.hpp>
#include <kin/pipe.hpp>
#include <kin/queue.hpp>
#include <kin/semaphore.hpp>
#include <kin/shared_dict.hpp>
#include <kin/shared_list.hpp>
#include <kin/value.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "sync/shared_page.hpp"

namespace kin_test {

struct item {
  int producer = 0;
  long number = 0;
  std::string text;
};
/// `file` is as long as `number` says.
struct numbered_file {
  long number = 0;
  kin::unique_fd file;
};
struct two_numbers {
  long first = 0, second = 0;
};

/// How far a stream of items has come.
struct flow {
  std::atomic<long> put, got;
};

/// What cannot be seen from outside: how far each role has come, and what it has found wrong.
struct accounts {
  struct alignas(64) turns {
    std::atomic<long> n;
  };
  std::array<turns, 32> of_role;
  std::atomic<long> inside, inside_twice, first, second, permits, put, got;
  std::array<std::atomic<long>, 2> last_put;  // of each producer
  flow files, messages, polled;
  std::atomic<const char*> wrong;
};

/// Made anew every few seconds: objects that went to another process keep their memory as long as the family lives.
struct world {
  const kin::mutex m;
  const kin::mutex changing;
  const kin::recursive_mutex again;
  const kin::value<two_numbers> twice;
  const kin::condition_variable changed;
  const kin::counting_semaphore permits{0};
  const kin::bounded_semaphore two{2};
  const kin::barrier both{2};
  const kin::event set;
  const kin::queue<item> items{8};
  const kin::queue<numbered_file> files{4};
  // Each end is used by one process at a time; whoever replaces a dead one goes on with a copy of it.
  mutable kin::pipe_ends messages = kin::pipe(kin::simplex), polled = kin::pipe(kin::simplex);
  const kin::shared_dict<int, std::string> dict;
  const kin::shared_list<std::string> list;
  const shared_page<accounts> a;

  void expect(bool what, const char* claim) const {
    if (!what) a->wrong = claim;
  }
};

/// The n-th.
std::string text(long n);
bool is_whole(const std::string& s);
bool is_whole(const numbered_file& f);
/// As many as were put, but for those that died with who put or got them.
void expect_all_but(long lost, const flow& f, long left, const char* of_what);

struct role {
  const char* name;
  std::function<void(const world&)> once;
};
extern const std::vector<role> roles;

}  // namespace kin_test
