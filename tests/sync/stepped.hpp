// SPDX-License-Identifier: BSL-1.0
// stepped: a copy of the test that goes so many instructions into an operation, and is killed there (ptrace); and two
// of them that go in turn. One that goes to sleep on a futex is killed there, too, or given what it sleeps for.
#pragma once

#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <functional>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>

#include "sync/course.hpp"
#include "sync/forked.hpp"
#include "sync/one_step.hpp"

namespace kin_test {

/// The name of a test with a scenario as its parameter.
inline constexpr auto scenario_name = [](const auto& of) {
  std::string name = of.param.name;
  std::erase(name, ',');
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
};

class stepped {
 public:
  /// Runs `prepare` in the copy and stops it before `operation`.
  template <class Prepare, class Operation>
  stepped(Prepare prepare, Operation operation) : pid_(fork()) {
    int status = 0;
    if (pid_ != 0) {
      waitpid(pid_, &status, 0);
      return;
    }
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    prepare();
    raise(SIGSTOP);
    operation();
    raise(SIGUSR1);
    _exit(0);
  }
  stepped(const stepped&) = delete;
  stepped& operator=(const stepped&) = delete;
  ~stepped() { die(); }
  /// False: it got to the end, after `way.made` instructions. A sleep counts as one more, at which it is killed asleep;
  /// or `supply` gives it what it sleeps for, once for each sleep. Throws when that does not wake it. The first copy
  /// that is stepped notes its way for those after it.
  bool step_and_die(long steps, course& way, const std::function<void()>& supply = {}) {
    bool inside = true;
    int sleeps = 0;
    long& made = way.made;
    made = 0;
    if (const auto mark = way.mark_before(steps)) {
      way.lost = !run_to(*mark);
      if (way.lost) return die(), false;
      made = mark->after;
    }
    for (long place = place_of(pid_); made < steps && inside; ++made) {
      const long code = code_at(pid_, place);
      if (!may_sleep_next(pid_, code)) {
        if (way.open()) way.note(place, may_repeat(code));
        int status = 0;
        place = one_step(pid_, place, status);
        inside = is_at_a_step(status);
        continue;
      }
      way.close();
      outcome how = step();
      if (how == outcome::asleep) {
        if (++made == steps) break;
        if (++sleeps > 100) throw std::runtime_error("it sleeps again and again, and has what it sleeps for");
        if (supply) supply();
        how = step_out_of_its_sleep();
      }
      inside = how == outcome::stepped;
      if (inside) place = place_of(pid_);
    }
    way.close();
    die();
    return inside;
  }
  /// On to the mark at full speed. False: it ended, sleeps or went elsewhere.
  bool run_to(const course::mark& to) {
    for (long left = to.passes;; --left) {
      {
        const breakpoint there(pid_, to.place);
        ptrace(PTRACE_CONT, pid_, nullptr, nullptr);
        if (!stops_before_it_sleeps() || !there.reached()) return false;
      }
      if (left == 0) return true;
      int status = 0;
      one_step(pid_, to.place, status);
      if (!is_at_a_step(status)) return false;
    }
  }

  /// Up to the system call by which it would sleep. False: it has ended.
  bool step_to_its_sleep() {
    while (!may_sleep_next(pid_, code_at(pid_, place_of(pid_))))
      if (step() == outcome::ended) return false;
    return true;
  }

  /// So many instructions on, or up to a sleep. False: it has ended.
  bool go(long steps) {
    auto how = outcome::stepped;
    for (long i = 0; i < steps && how == outcome::stepped; ++i) how = step();
    return how != outcome::ended;
  }

  /// One instruction on. `asleep`: it is in a futex, and the step is over when somebody has woken it. One that has
  /// ended is not dead yet, for its death would wake the others.
  enum class outcome { stepped, asleep, ended };
  outcome step() {
    if (pid_ < 0 || ended_) return outcome::ended;
    if (!going_) ptrace(PTRACE_SINGLESTEP, pid_, nullptr, nullptr);
    going_ = true;
    for (int looks = 0;; ++looks) {
      if (const auto over = step_is_over()) return *over;
      if (looks < 300) continue;
      // It may have been stopped, which looks like asleep, between the two.
      if (forked::is_asleep(pid_)) return step_is_over().value_or(outcome::asleep);
      usleep(20);
    }
  }
  /// Lets it go, without steps, also one that sleeps in a step.
  void run() {
    runs_ = true;
    if (!going_ && !ended_) ptrace(PTRACE_CONT, pid_, nullptr, nullptr);
    going_ = true;
  }
  /// After run(). False: not in time.
  bool ends(std::chrono::milliseconds limit) {
    return within(limit, [&] { return ended_; });
  }
  bool ends_or_sleeps() {
    return within(patience(), [&] { return ended_ || forked::is_asleep(pid_); });
  }
  void die() {
    if (pid_ < 0) return;
    kill(pid_, SIGKILL);
    waitpid(std::exchange(pid_, -1), nullptr, 0);
  }

 private:
  std::optional<outcome> step_is_over() {
    int status = 0;
    if (ended_ || waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
    going_ = false;
    if (is_at_a_step(status)) return outcome::stepped;
    if (!WIFSTOPPED(status)) pid_ = -1;
    ended_ = true;
    return outcome::ended;
  }
  template <class Is>
  bool within(std::chrono::milliseconds limit, Is is) {
    for (const auto end = std::chrono::steady_clock::now() + limit;; usleep(50)) {
      if (step_is_over() == outcome::stepped && runs_) run();
      if (is()) return true;
      if (std::chrono::steady_clock::now() > end) return false;
    }
  }
  bool stops_before_it_sleeps() {
    int status = 0;
    const auto stops = [&] { return waitpid(pid_, &status, WNOHANG) == pid_; };
    for (int looks = 0; !stops(); ++looks) {
      if (looks < 300) continue;
      // It may have been stopped, which looks like asleep, between the two.
      if (forked::is_asleep(pid_) && !stops()) return false;
      usleep(20);
    }
    return is_at_a_step(status);
  }
  outcome step_out_of_its_sleep() {
    outcome how = outcome::asleep;
    for (const auto end = std::chrono::steady_clock::now() + patience(); how == outcome::asleep; how = step())
      if (std::chrono::steady_clock::now() > end) throw std::runtime_error("it sleeps on, and has what it sleeps for");
    return how;
  }

  int pid_;
  bool going_ = false, runs_ = false, ended_ = false;
};

/// Both go in turn, a few instructions each, as `random` says, until they have ended. The first dies after so many of
/// its own; 0: it does not. False: whoever is left sleeps, and nobody wakes it.
inline bool alternate(stepped& first, stepped& second, std::mt19937_64& random, long die_after) {
  const std::array<stepped*, 2> two{&first, &second};
  std::array<bool, 2> ended{};
  auto limit = std::chrono::steady_clock::now();
  const auto moved = [&] { limit = std::chrono::steady_clock::now() + patience(); };
  moved();
  for (long of_first = 0; !ended[0] || !ended[1];) {
    std::size_t who = random() % 2;
    if (ended[who]) who = 1 - who;
    auto how = stepped::outcome::stepped;
    for (auto burst = 1 + random() % (random() % 8 == 0 ? 200 : 20); burst > 0; --burst) {
      how = two[who]->step();
      if (who == 0 && ++of_first == die_after) {
        first.die();
        how = stepped::outcome::ended;
      }
      if (how != stepped::outcome::stepped) break;
    }
    if (how != stepped::outcome::asleep) moved();
    if (how == stepped::outcome::ended) ended[who] = true;
    if (std::chrono::steady_clock::now() > limit) return false;
  }
  return true;
}

}  // namespace kin_test
