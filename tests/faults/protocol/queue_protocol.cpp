// SPDX-License-Identifier: BSL-1.0
// queue_protocol: what must hold of a queue between processes, wherever they are stopped or killed. With the name of a
// mutant as its argument the queue is broken there; a second argument names the only check to run. Exit status 1, with
// a sentence, when something does not hold.
#include <kin/mutex.hpp>
#include <kin/queue.hpp>

#include <poll.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "memory/family.hpp"
#include "memory/mutant.hpp"
#include "queue/ring_layout.hpp"

std::string_view kin::detail::active_mutant;

namespace {

using words = kin::queue<std::string>;
using ticks = std::chrono::steady_clock;
constexpr std::chrono::seconds patience{8};  // for what takes microseconds; the machine may be busy

std::vector<pid_t> children;

[[noreturn]] void violated(const std::string& what) {
  for (const pid_t pid : children) kill(pid, SIGKILL);
  std::printf("violated: %s\n", what.c_str());
  std::fflush(stdout);
  _exit(1);
}

// A copy of this process that runs `body`, as a member of the family.
class copy {
 public:
  explicit copy(const std::function<void()>& body, bool traced = false) : pid_(fork()) {
    if (pid_ == 0) {
      (void)kin::mutex();
      if (traced) ptrace(PTRACE_TRACEME, 0, nullptr, nullptr), raise(SIGSTOP);
      try {
        body();
      } catch (const kin::closed_error&) {
      }
      if (traced) raise(SIGUSR1);
      _exit(0);
    }
    children.push_back(pid_);
    if (traced) waitpid(pid_, nullptr, 0);
  }
  copy(const copy&) = delete;
  copy& operator=(const copy&) = delete;
  ~copy() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    std::erase(children, pid_);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool asleep() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/syscall");
    std::string call;
    return file >> call && call == std::to_string(SYS_futex);
  }
  void wait_until_asleep() const {
    const auto end = ticks::now() + patience;
    while (!asleep()) {
      if (ticks::now() > end) violated("it does not go to sleep");
      usleep(100);
    }
  }
  /// Ended, or (traced) at the end of its body.
  [[nodiscard]] bool finishes() const {
    for (const auto end = ticks::now() + patience; ticks::now() < end; usleep(100)) {
      siginfo_t info{};
      waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT);
      if (info.si_pid != 0) return true;
    }
    return false;
  }
  /// One instruction on. False: at the end, or asleep in the kernel.
  [[nodiscard]] bool step() const {
    ptrace(PTRACE_SINGLESTEP, pid_, nullptr, nullptr);
    for (int tries = 0;; ++tries) {
      int status = 0;
      if (waitpid(pid_, &status, WNOHANG) == pid_) return WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP;
      if (tries > 1000 && asleep()) return false;
      if (tries > 1000) usleep(50);
    }
  }

  /// Until it sleeps; it will stop when it has been woken.
  void run_to_its_sleep() const {
    for (;;) {
      ptrace(PTRACE_SYSCALL, pid_, nullptr, nullptr);
      for (int seen = 0; waitpid(pid_, nullptr, WNOHANG) != pid_; usleep(100))
        if (asleep() && ++seen > 50) return;
    }
  }

 private:
  pid_t pid_;
};

// The header of the queue of these items that was made last, in this process's arena.
kin::detail::ring_header& header_of_last() {
  using kin::detail::ring_header;
  ring_header* found = nullptr;
  const auto end = kin::detail::family::table->arena_end.load();
  for (std::uint64_t at = 0; at < end; at += 64) {
    auto* header = reinterpret_cast<ring_header*>(kin::detail::family::at(at, sizeof(ring_header)));
    if (header && header->kind == static_cast<std::uint32_t>(kin::detail::object_kind::queue) &&
        (!found || header->serial > found->serial))
      found = header;
  }
  return *found;
}

void wakes_who_waits(const char* what, std::size_t capacity, bool full, const std::function<void(const words&)>& waits,
                     const std::function<void(const words&)>& lets_go) {
  const kin::joinable_queue<std::string> q(capacity);
  if (full) q.put("x");
  const copy other([&] { waits(q); });
  other.wait_until_asleep();
  lets_go(q);
  if (!other.finishes()) violated(what);
}

void everybody_who_waits_is_woken() {
  const auto gets = [](const words& q) { (void)q.get(); };
  const auto puts = [](const words& q) { q.put("y"); };
  const auto closes = [](const words& q) { q.close(); };
  wakes_who_waits("a put wakes nobody", 0, false, gets, puts);
  wakes_who_waits("a get wakes nobody", 1, true, puts, gets);
  wakes_who_waits("close() does not wake who gets", 0, false, gets, closes);
  wakes_who_waits("close() does not wake who puts", 1, true, puts, closes);
  const kin::joinable_queue<int> work;
  work.put(1);
  const copy joins([&] { work.join(); });
  joins.wait_until_asleep();
  work.task_done();
  if (!joins.finishes()) violated("the last task_done() wakes nobody");
}

std::string text(std::size_t i) { return std::string(i * 37 % 3000, static_cast<char>('a' + i % 26)); }

void items_come_out_as_they_went_in() {
  const words q;
  for (std::size_t round = 0; round < 5; ++round) {
    for (std::size_t i = 0; i < 300; ++i) q.put(text(i + round));
    for (std::size_t i = 0; i < 300; ++i)
      if (q.get() != text(i + round)) violated("an item has changed");
  }
}

// Two sleep; the one that is woken dies before it has left the kernel.
void a_wake_does_not_die_with_the_woken() {
  const words q;
  const copy first([&] { (void)q.get(); }, true);
  first.run_to_its_sleep();
  const copy second([&] { (void)q.get(); });
  second.wait_until_asleep();
  q.put("x");
  if (!first.finishes()) violated("a put does not wake the first who sleeps");
  kill(first.pid(), SIGKILL);
  if (!second.finishes()) violated("an item waits, and the one who was woken for it is dead");
}

// One is stopped while it holds a lock, and another sleeps on the lock.
void a_lock_is_handed_on(bool dies) {
  const words q;
  q.put("x");
  auto& lock = header_of_last().put_lock.word;
  const copy holder(
      [&] {
        q.put("y");
        for (;;) pause();  // its end would wake everybody
      },
      true);
  while (lock == 0)
    if (!holder.step()) violated("no lock was ever held");
  const copy other([&] { q.put("z"); });
  other.wait_until_asleep();
  if (dies)
    kill(holder.pid(), SIGKILL);
  else
    ptrace(PTRACE_DETACH, holder.pid(), nullptr, nullptr);
  if (!other.finishes()) violated(dies ? "a dead one's lock is held for ever" : "a lock is free, and one sleeps on it");
}

using flat = std::array<char, 32>;
void put_letter(const kin::queue<flat>& q, char letter) {
  flat made;
  made.fill(letter);
  q.put(made);
}
void take_bias(const kin::queue<flat>& q) {
  for (int i = 0; i < 200; ++i) put_letter(q, 'x'), (void)q.get();
}
bool is_whole(const flat& f) { return std::count(f.begin(), f.end(), f[0]) == static_cast<long>(f.size()); }

// One with the bias is stopped after n instructions of a put, another without it after m of its own; then they go on.
// False: the first had come to its end.
bool two_put_at_once(long n, long m) {
  const kin::queue<flat> q;
  const auto puts = [&](char letter) {
    raise(SIGSTOP);
    put_letter(q, letter);
  };
  const auto go = [](const copy& who) {
    ptrace(PTRACE_CONT, who.pid(), nullptr, nullptr);
    waitpid(who.pid(), nullptr, 0);
  };
  const copy first([&] { take_bias(q), puts('a'); }, true);
  go(first);
  const copy second([&] { puts('b'); }, true);
  go(second);
  bool inside = true, goes = true;
  for (long i = 0; i < n && inside; ++i) inside = first.step();
  for (long i = 0; i < m && goes; ++i) goes = second.step();
  ptrace(PTRACE_CONT, first.pid(), nullptr, nullptr);
  for (int i = 0; i < 100 && !first.asleep(); ++i) usleep(10);
  if (goes) ptrace(PTRACE_CONT, second.pid(), nullptr, nullptr);
  if (!first.finishes() || !second.finishes()) violated("a lock is free, and one waits for it");
  std::string letters;
  while (const auto got = q.try_get()) {
    if (!is_whole(*got)) violated("an item is torn");
    letters += (*got)[0];
  }
  if (letters != "ab" && letters != "ba")
    violated("two were inside at once (" + std::to_string(n) + ", " + std::to_string(m) + "): '" + letters + "'");
  return inside;
}

void two_are_never_inside_at_once() {
  // The way in is at the beginning of the first's put, and towards the end of the second's, who has to take the bias
  // away before.
  long n = 0;
  for (bool inside = true; inside; n += n < 100 ? 2 : 15) {
    inside = two_put_at_once(n, 0);
    for (long m = 220; m < 500; m += 40) two_put_at_once(n, m);
  }
  std::printf("  %ld instructions of a put with the bias\n", n);
}

// One with the bias is stopped inside, and another sleeps until its seat is empty.
void a_seat_is_handed_on() {
  const kin::queue<flat> q;
  const auto& seats = header_of_last().put_lock.seats;
  const copy holder(
      [&] {
        take_bias(q);
        raise(SIGSTOP);
        put_letter(q, 'a');
        for (;;) pause();  // its end would wake everybody
      },
      true);
  ptrace(PTRACE_CONT, holder.pid(), nullptr, nullptr);
  waitpid(holder.pid(), nullptr, 0);
  while (std::none_of(seats.begin(), seats.end(), [](const auto& seat) { return seat.inside != 0; }))
    if (!holder.step()) violated("it never sits down");
  const copy other([&] { put_letter(q, 'b'); });
  other.wait_until_asleep();
  ptrace(PTRACE_DETACH, holder.pid(), nullptr, nullptr);
  if (!other.finishes()) violated("a seat is empty, and one sleeps until it is");
}

// One with the bias dies in a put, wherever; another puts.
void a_dead_ones_seat_is_empty() {
  bool inside = true;
  for (long n = 0; inside; n += 3) {
    const kin::queue<flat> q;
    const copy victim([&] { take_bias(q), raise(SIGSTOP), put_letter(q, 'a'); }, true);
    ptrace(PTRACE_CONT, victim.pid(), nullptr, nullptr);
    waitpid(victim.pid(), nullptr, 0);
    for (long i = 0; i < n && inside; ++i) inside = victim.step();
    const copy other([&] { put_letter(q, 'b'); });
    kill(victim.pid(), SIGKILL);
    if (!other.finishes()) violated("a dead one is waited for");
  }
}

// One who goes to sleep is stopped after n instructions, and an item comes. False: it slept before that.
bool an_item_comes_after(long n, long& made) {
  const words q;
  const copy consumer([&] { (void)q.get(); }, true);
  bool slept = false;
  for (made = 0; made < n && !slept; ++made) slept = !consumer.step();
  q.put("x");
  if (!slept) ptrace(PTRACE_CONT, consumer.pid(), nullptr, nullptr);
  if (!consumer.finishes())
    violated("an item waits, and one sleeps that was on its way to sleep when it came (" + std::to_string(n) + ")");
  return !slept;
}

void no_wake_is_lost_on_the_way_to_sleep() {
  long length = 0, made = 0, points = 0;
  an_item_comes_after(1'000'000, length);
  // The way is not always as long, because it begins with spinning; its end is what matters.
  for (long n = 0; n < length - 300; n += 20, ++points) an_item_comes_after(n, made);
  for (long n = length > 300 ? length - 300 : 0; an_item_comes_after(n, made); ++n, ++points) {
  }
  std::printf("  %ld points on the way to sleep\n", points);
}

bool is_readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return poll(&entry, 1, 0) == 1;
}

void what_is_left_is_whole(const words& q, const std::string& before, const std::string& after, const std::string& at) {
  std::string letters;
  while (const auto got = q.try_get()) {
    if (got->size() != 100 || *got != std::string(100, (*got)[0])) violated("an item is torn" + at);
    letters += (*got)[0];
  }
  if (letters != before && letters != after) violated("left are '" + letters + "'" + at);
  for (int i = 0; i < 3; ++i) q.put(std::string(100, static_cast<char>('A' + i)));
  for (int i = 0; i < 3; ++i)
    if (q.get() != std::string(100, static_cast<char>('A' + i))) violated("later items are wrong" + at);
}

// One is killed after n instructions.
void a_kill_leaves_a_queue(const char* what, const std::function<void(const words&)>& operation,
                           const std::string& after, bool polled) {
  long n = 0;
  for (bool inside = true; inside; ++n) {
    const words q;
    for (const char letter : {'a', 'b'}) q.put(std::string(100, letter));
    if (polled) (void)q.get(), (void)q.get();
    const int handle = polled ? q.native_handle() : -1;
    {
      const copy victim(
          [&] {
            if (polled) (void)q.native_handle();
            raise(SIGSTOP);
            operation(q);
          },
          true);
      ptrace(PTRACE_CONT, victim.pid(), nullptr, nullptr);
      waitpid(victim.pid(), nullptr, 0);
      for (long i = 0; i < n && inside; ++i) inside = victim.step();
    }
    const std::string at = std::string(", after a kill in ") + what + " (" + std::to_string(n) + ")";
    const bool readable = polled && is_readable(handle);
    if (polled && !readable && q.size() != 0) violated("an item waits unseen" + at);
    what_is_left_is_whole(q, polled ? "" : "ab", polled ? "z" : after, at);
  }
  std::printf("  %ld kills in %s\n", n, what);
}

void puts_z(const words& q) { q.put(std::string(100, 'z')); }
void kills_in_a_put_leave_a_queue() { a_kill_leaves_a_queue("a put", puts_z, "abz", false); }
void kills_in_a_get_leave_a_queue() {
  a_kill_leaves_a_queue(
      "a get", [](const words& q) { (void)q.get(); }, "b", false);
}
void kills_leave_no_item_unseen() { a_kill_leaves_a_queue("a put that is polled for", puts_z, "", true); }

}  // namespace

int main(int count, char** arguments) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  kin::detail::active_mutant = count > 1 ? arguments[1] : "";
  const std::string only = count > 2 ? arguments[2] : "";
  (void)kin::mutex();
  std::signal(SIGALRM, [](int) {
    const char said[] = "violated: it hangs\n";
    (void)!write(1, said, sizeof said - 1);
    _exit(1);
  });
  const auto in_time = [&](const std::string& name, auto&& check, auto... arguments_of) {
    if (!only.empty() && name != only) return;
    std::printf("  %s\n", name.c_str());
    alarm(300);
    try {
      check(arguments_of...);
    } catch (const std::exception& e) {
      violated(e.what());
    }
    alarm(0);
  };
  in_time("everybody who waits is woken", everybody_who_waits_is_woken);
  in_time("items come out as they went in", items_come_out_as_they_went_in);
  in_time("a wake does not die with the woken", a_wake_does_not_die_with_the_woken);
  in_time("a lock is handed on", a_lock_is_handed_on, false);
  in_time("a lock is handed on", a_lock_is_handed_on, true);
  in_time("two are never inside at once", two_are_never_inside_at_once);
  in_time("a seat is handed on", a_seat_is_handed_on);
  in_time("a dead one's seat is empty", a_dead_ones_seat_is_empty);
  in_time("no wake is lost on the way to sleep", no_wake_is_lost_on_the_way_to_sleep);
  in_time("kills in a put leave a queue", kills_in_a_put_leave_a_queue);
  in_time("kills in a get leave a queue", kills_in_a_get_leave_a_queue);
  in_time("kills leave no item unseen", kills_leave_no_item_unseen);
  std::printf("  nothing was violated\n");
}
