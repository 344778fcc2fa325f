// SPDX-License-Identifier: BSL-1.0
// The progress bar, seen by whoever sits at the terminal: a pseudo-terminal takes the place of stderr.
#include <kin/pool/progress.hpp>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include <kin/os/unique_fd.hpp>
#include <kin/pool.hpp>

namespace kin_test {
namespace {

using clock = std::chrono::steady_clock;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

/// stderr leads elsewhere while this lives.
class stderr_to {
 public:
  explicit stderr_to(int fd) : before_(::fcntl(2, F_DUPFD_CLOEXEC, 3)) { ::dup2(fd, 2); }
  stderr_to(const stderr_to&) = delete;
  stderr_to& operator=(const stderr_to&) = delete;
  ~stderr_to() { ::dup2(before_.get(), 2); }

 private:
  kin::unique_fd before_;
};

/// A terminal that changes nothing of what is written to it, and who looks at it.
class terminal {
 public:
  terminal() : screen_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    char name[64] = {};
    if (::grantpt(screen_.get()) != 0 || ::unlockpt(screen_.get()) != 0 ||
        ::ptsname_r(screen_.get(), name, sizeof name) != 0)
      return;
    line_ = kin::unique_fd(::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
    termios how{};
    ::tcgetattr(line_.get(), &how);
    ::cfmakeraw(&how);
    ::tcsetattr(line_.get(), TCSANOW, &how);
  }
  [[nodiscard]] int line() const { return line_.get(); }
  /// What has been written.
  std::string seen() {
    std::string all;
    char some[4096];
    for (pollfd p{screen_.get(), POLLIN, 0}; ::poll(&p, 1, 0) == 1 && (p.revents & POLLIN) != 0;) {
      const auto n = ::read(screen_.get(), some, sizeof some);
      if (n <= 0) break;
      all.append(some, static_cast<std::size_t>(n));
    }
    return all;
  }

 private:
  kin::unique_fd screen_, line_;
};

/// Each begins where the cursor is set back.
std::vector<std::string> drawings_in(const std::string& text) {
  std::vector<std::string> all;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t next = std::min(text.find('\r', at + 1), text.size());
    all.push_back(text.substr(at, next - at));
    at = next;
  }
  return all;
}

int same(int n) { return n; }

TEST(progress_bar, is_drawn_while_a_map_is_worked_on_and_finished_with_it) {
  terminal seat;
  ASSERT_GE(seat.line(), 0);
  kin::pool workers(1);
  workers.apply(same, 1);  // its stderr is the one from before
  {
    const stderr_to there(seat.line());
    workers.map(same, {1, 2, 3, 4}, {.chunk = 1, .progress = kin::progress_bar("squares")});
  }
  const auto drawn = drawings_in(seat.seen());
  ASSERT_GE(drawn.size(), 2u);
  EXPECT_LE(drawn.size(), 4u);
  for (const auto& one : drawn) {
    EXPECT_THAT(one, StartsWith("\rsquares ["));
    EXPECT_THAT(one, HasSubstr("/s  "));
    EXPECT_THAT(one, HasSubstr(" s left \033[K"));
  }
  EXPECT_THAT(drawn.front(), HasSubstr("[#######.......................]  25 %  1/4  "));
  EXPECT_THAT(drawn.back(), HasSubstr("[##############################] 100 %  4/4  "));
  EXPECT_THAT(drawn.back(), EndsWith("0 s left \033[K\n"));
  EXPECT_THAT(drawn.front(), testing::Not(HasSubstr("\n")));
}

TEST(progress_bar, is_not_drawn_for_every_item_but_always_at_the_end) {
  terminal seat;
  ASSERT_GE(seat.line(), 0);
  const stderr_to there(seat.line());
  constexpr std::size_t items = 100'000;
  std::string seen;
  const auto start = clock::now();
  const auto bar = kin::progress_bar();
  for (std::size_t done = 1; done <= items; ++done) {
    bar(done, items);
    if (done % 1000 == 0) seen += seat.seen();
  }
  const auto intervals = static_cast<std::size_t>((clock::now() - start) / std::chrono::milliseconds(50));
  const auto drawn = drawings_in(seen);
  ASSERT_GE(drawn.size(), 2u);
  EXPECT_LE(drawn.size(), intervals + 2);
  EXPECT_THAT(drawn.front(), StartsWith("\r["));
  EXPECT_THAT(drawn.back(), HasSubstr("100 %  100000/100000  "));
}

TEST(progress_bar, of_an_empty_map_is_full) {
  terminal seat;
  ASSERT_GE(seat.line(), 0);
  const stderr_to there(seat.line());
  kin::progress_bar("none")(0, 0);
  EXPECT_THAT(seat.seen(), HasSubstr("[##############################] 100 %  0/0  0/s  0 s left"));
}

TEST(progress_bar, is_nothing_where_nobody_looks) {
  const kin::unique_fd nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  const stderr_to there(nowhere.get());
  EXPECT_FALSE(kin::progress_bar("unseen"));
}

}  // namespace
}  // namespace kin_test
