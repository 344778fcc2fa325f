// SPDX-License-Identifier: BSL-1.0
// roles_to_kill: see the header.
#include "faults/roles_to_kill.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mutex>

namespace kin_test {

std::string text(long n) {
  return std::string(static_cast<std::size_t>(n % 7 == 0 ? 3000 : n % 50), static_cast<char>('a' + n % 26));
}
bool is_whole(const std::string& s) { return s.find_first_not_of(s.empty() ? 'a' : s[0]) == std::string::npos; }

bool is_whole(const numbered_file& f) {
  struct stat status {};
  return ::fstat(f.file.get(), &status) == 0 && status.st_size == f.number;
}
void expect_all_but(long lost, const flow& f, long left, const char* of_what) {
  EXPECT_LE(f.got + left, f.put) << of_what;
  EXPECT_GE(f.got + left, f.put - lost) << of_what;
}

namespace {

template <class Lock>
std::unique_lock<Lock> locked(
    const Lock& lock, const std::function<void()>& repair = [] {}) {
  try {
    return std::unique_lock(const_cast<Lock&>(lock));
  } catch (const kin::owner_died&) {
    auto hold = lock.recover();
    repair();
    return hold;
  }
}

void spends(const world& w) {
  accounts& a = *w.a;
  const auto hold = locked(w.m, [&] {
    a.inside = 0;
    a.second = a.first.load();
  });
  w.expect(++a.inside == 1, "two hold the mutex");
  w.expect(a.first == a.second, "a half-done change was not announced");
  ++a.first;
  ++a.second;
  --a.inside;
}

// A waiter with the mutex of a dead notifier finds it abandoned: it accepts that, and looks again.
void waits_for_change(const world& w) {
  auto hold = locked(w.changing);
  const long seen = w.a->permits;
  while (w.a->permits == seen) {
    try {
      w.changed.wait(hold);
    } catch (const kin::owner_died&) {
      hold = w.changing.recover();
    }
  }
}
void changes(const world& w) {
  {
    const auto hold = locked(w.changing);
    ++w.a->permits;
  }
  w.changed.notify_all();
}

// Of a mutex that it holds already.
void locks_again(const world& w) {
  accounts& a = *w.a;
  const auto hold = locked(w.again, [&] { a.inside_twice = 0; });
  w.expect(++a.inside_twice == 1, "two hold the recursive mutex");
  {
    const auto once_more = locked(w.again);
    w.expect(++a.inside_twice == 2, "two hold the recursive mutex");
    --a.inside_twice;
  }
  --a.inside_twice;
}

void changes_a_value(const world& w) {
  const auto hold = locked(w.twice, [&] { w.twice->second = w.twice->first; });
  w.expect(w.twice->first == w.twice->second, "a half-done change of a value was not announced");
  ++w.twice->first;
  ++w.twice->second;
}

numbered_file make_file(long n) {
  numbered_file made{n, kin::unique_fd(::memfd_create("numbered", MFD_CLOEXEC))};
  (void)::ftruncate(made.file.get(), n);
  return made;
}
void puts_a_file(const world& w) { w.files.put(make_file(++w.a->files.put)); }
void gets_a_file(const world& w) {
  w.expect(is_whole(w.files.get()), "an item has come with another descriptor");
  ++w.a->files.got;
}

void sends(const kin::pipe_ends& p, flow& f) {
  const long n = ++f.put;
  const_cast<kin::pipe_ends&>(p).second.send(item{0, n, text(n)});
}
void receives(const world& w, const kin::pipe_ends& p, flow& f) {
  const auto got = const_cast<kin::pipe_ends&>(p).first.recv<item>();
  w.expect(got.text == text(got.number), "a message is torn");
  ++f.got;
}
void receives_when_told(const world& w) {
  pollfd entry{w.polled.first.native_handle(), POLLIN, 0};
  ::poll(&entry, 1, -1);
  receives(w, w.polled, w.a->polled);
}

void puts(const world& w, int producer) {
  const long n = w.a->last_put[static_cast<std::size_t>(producer)] + 1;
  // Before the put, so that one who is killed right behind it does not put the number twice.
  w.a->last_put[static_cast<std::size_t>(producer)] = n;
  w.items.put(item{producer, n, text(n)});
}
void gets(const world& w) {
  const item i = w.items.get();
  w.expect(i.producer >= 0 && i.producer < 2 && i.text == text(i.number), "an item is torn");
  ++w.a->got;
}

}  // namespace

const std::vector<role> roles = {
    {"holds a mutex", spends},
    {"holds the same mutex", spends},
    {"waits for a change", waits_for_change},
    {"changes and notifies", changes},
    {"releases and acquires a semaphore",
     [](const world& w) {
       w.permits.release();
       w.permits.acquire();
     }},
    {"holds one of two permits",
     [](const world& w) {
       w.two.acquire();
       w.two.release();
     }},
    {"holds one of two permits",
     [](const world& w) {
       w.two.acquire();
       w.two.release();
     }},
    {"arrives at a barrier",
     [](const world& w) {
       try {
         w.both.arrive_and_wait();
       } catch (const kin::broken_barrier&) {
         w.both.reset();
       }
     }},
    {"arrives at a barrier, too",
     [](const world& w) {
       try {
         w.both.arrive_and_wait();
       } catch (const kin::broken_barrier&) {
         w.both.reset();
       }
     }},
    {"sets an event and clears it",
     [](const world& w) {
       w.set.set();
       w.set.clear();
     }},
    {"waits for an event", [](const world& w) { w.set.wait(); }},
    {"puts", [](const world& w) { puts(w, 0); }},
    {"puts, too", [](const world& w) { puts(w, 1); }},
    {"gets", gets},
    {"gets, too", gets},
    {"changes a dict and a list",
     [](const world& w) {
       const long n = ++w.a->put;
       w.dict.set(static_cast<int>(n % 20), text(n));
       if (n % 3 == 0) w.dict.erase(static_cast<int>(n / 3 % 20));
       if (const auto found = w.dict.get(static_cast<int>(n % 11)))
         w.expect(is_whole(*found), "a dict's value is torn");
       if (w.list.size() < 30)
         w.list.push_back(text(n));
       else
         w.list.clear();
       for (const std::string& s : w.list) w.expect(is_whole(s), "a list's element is torn");
     }},
    {"holds a recursive mutex twice", locks_again},
    {"holds the same recursive mutex twice", locks_again},
    {"changes a value", changes_a_value},
    {"changes the same value", changes_a_value},
    {"puts a descriptor", puts_a_file},
    {"puts a descriptor, too", puts_a_file},
    {"gets a descriptor", gets_a_file},
    {"sends", [](const world& w) { sends(w.messages, w.a->messages); }},
    {"receives", [](const world& w) { receives(w, w.messages, w.a->messages); }},
    {"sends to one who polls", [](const world& w) { sends(w.polled, w.a->polled); }},
    {"receives when a poll says so", receives_when_told},
};

}  // namespace kin_test
