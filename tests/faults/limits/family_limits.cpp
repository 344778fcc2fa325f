// SPDX-License-Identifier: BSL-1.0
// family_limits: the most members of a family, threads of a process and descriptors of the first process, for
// family_limits_test. A program of its own, since what it asks for is more than other tests' family should ever have.
// Exit code 77: the system does not let anybody have so much.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <barrier>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <new>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <kin/init.hpp>
#include <kin/mutex.hpp>

#include "memory/family_state.hpp"
#include "os/pidfd.hpp"

namespace {

namespace family = kin::detail::family;

void must(bool right, const char* what) {
  if (right) return;
  std::fprintf(stderr, "it is not so that %s\n", what);
  std::_Exit(1);
}

// Takes a number for this process. 0, or the error's.
int become_a_member() try {
  const kin::mutex own;
  const std::scoped_lock hold(own);
  return 0;
} catch (const kin::os_error& e) {
  return e.code().value();
}

/// A copy of this process that says what `body` said, and then stays. EMFILE also where this process has no
/// descriptors left to hear it: those of the dead are closed a little later by kin.
class copy {
 public:
  explicit copy(const std::function<int()>& body = &become_a_member) {
    int ends[2];
    if (::pipe(ends) != 0) {
      error_ = errno;
      return;
    }
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
      // A check that fails ends the parent without its destructors, and a copy that stayed would hold its output open.
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) std::_Exit(1);
      ::close(ends[0]);
      const int error = body();
      (void)!::write(ends[1], &error, sizeof error);
      for (;;) ::pause();
    }
    ::close(ends[1]);
    must(::read(ends[0], &error_, sizeof error_) == sizeof error_, "a copy answers");
    ::close(ends[0]);
  }
  copy(copy&& other) noexcept : pid_(std::exchange(other.pid_, -1)), error_(other.error_) {}
  copy& operator=(copy&&) = delete;
  ~copy() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] int error() const { return error_; }

 private:
  pid_t pid_ = -1;
  int error_ = -1;
};

// The first process hears of a death by itself.
bool there_is_room_in_the_end() {
  for (int i = 0; i < 5000; ++i) {
    if (copy().error() == 0) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

/// Lets one process be `n` members, which costs little: it hands its pidfd to the first process so often.
int be_many_members(std::size_t n) {
  const kin::unique_fd self = kin::os::open_pidfd(::getpid());
  family::state& s = family::the();
  const std::lock_guard hold(s.mutex);
  try {
    for (std::size_t i = 0; i < n; ++i) {
      std::vector<kin::unique_fd> fds;
      family::ask(s, {kin::detail::family_request::verb::join, 0, 0}, self.get(), "be many", fds);
    }
  } catch (const kin::os_error& e) {
    return e.code().value();
  }
  return 0;
}

int members() {
  constexpr std::size_t most = 8191;
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_max < most + 100) {
    std::fprintf(stderr, "RLIMIT_NOFILE is %zu\n", static_cast<std::size_t>(files.rlim_max));
    return 77;
  }
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  must(become_a_member() == 0, "the first process is a member");
  {
    const copy many([] {
      const int error = become_a_member();
      return error != 0 ? error : be_many_members(most - 3);
    });
    must(many.error() == 0, "there is room for all but one");
    {
      const copy last;
      must(last.error() == 0, "the 8191st member is one");
      must(copy().error() == EAGAIN, "one more gets EAGAIN");
      must(copy().error() == EAGAIN, "and the next one, too");
      must(become_a_member() == 0, "who is a member goes on");
    }
    must(there_is_room_in_the_end(), "when one has ended there is room for one");
  }
  must(there_is_room_in_the_end(), "when all have ended there is room");
  std::vector<copy> some(20);
  must(std::ranges::all_of(some, [](const copy& c) { return c.error() == 0; }), "there is room for many");
  return 0;
}

int open_files() {
  must(become_a_member() == 0, "the first process is a member");
  const rlimit few{60, 60};
  ::setrlimit(RLIMIT_NOFILE, &few);
  {
    std::vector<copy> all;
    for (int i = 0; i < 60 && (all.empty() || all.back().error() == 0); ++i) all.emplace_back();
    must(all.size() > 20, "there is room for as many members as descriptors");
    const int error = all.back().error();
    must(error == EMFILE || error == ECONNRESET, "the first process has none left in the end, and says so");
  }
  must(there_is_room_in_the_end(), "when they have ended there is room again");
  return 0;
}

int threads() {
  const kin::mutex shared;
  const auto use = [&shared] {
    try {
      const std::scoped_lock hold(shared);
      return 0;
    } catch (const kin::os_error& e) {
      return e.code().value();
    }
  };
  must(use() == 0, "the first thread is one");
  family::the().next_thread = 0xffff - 2;  // as if so many were there
  const auto each_of = [&](std::size_t n) {
    std::vector<int> errors(n);
    std::barrier all(static_cast<std::ptrdiff_t>(n));
    {
      std::vector<std::jthread> some;
      for (int& error : errors)
        some.emplace_back([&] {
          error = use();
          all.arrive_and_wait();
          if (error == 0) must(use() == 0, "who has a number keeps it");
        });
    }
    std::ranges::sort(errors);
    return errors;
  };
  must(each_of(4) == std::vector{0, 0, EAGAIN, EAGAIN}, "the 65535th thread is the last");
  must(each_of(2) == std::vector{0, 0}, "when threads have ended there is room again");
  must(use() == 0, "the first thread goes on");
  return 0;
}

// Whoever asks the first process while that has none left is answered, be it with ENOMEM.
int memory() {
  must(become_a_member() == 0, "the first process is a member");
  rlimit before{};
  ::getrlimit(RLIMIT_AS, &before);
  rlimit none = before;
  none.rlim_cur = 1;  // no more than it has
  ::setrlimit(RLIMIT_AS, &none);
  struct piece {
    piece* next;
  };
  piece* all = nullptr;
  for (const std::size_t size : {1U << 20, 1U << 16, 4096U, 512U, 64U, 24U})
    while (void* const more = std::malloc(size)) all = new (more) piece{all};
  const int error = copy([&] {
                      ::setrlimit(RLIMIT_AS, &before);
                      return become_a_member();
                    }).error();
  ::setrlimit(RLIMIT_AS, &before);
  while (all != nullptr) std::free(std::exchange(all, all->next));
  must(error == 0 || error == ENOMEM, "a member is told of a lack of memory");
  must(there_is_room_in_the_end(), "it serves again");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  kin::init();
  ::alarm(100);
  constexpr std::pair<std::string_view, int (*)()> all[] = {
      {"members", &members}, {"open_files", &open_files}, {"threads", &threads}, {"memory", &memory}};
  for (const auto& [name, check] : all)
    if (argc == 2 && name == argv[1]) return check();
  return 3;
}
