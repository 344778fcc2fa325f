// SPDX-License-Identifier: BSL-1.0
// shared_memory: anonymous and named; a name leaves nothing behind.
#include <kin/process.hpp>
#include <kin/shared_memory.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>

#include "memory/family.hpp"
#include "os/gate.hpp"
#include "os/named_memory.hpp"
#include "os/packet.hpp"
#include "support/leaves_nothing_behind.hpp"
#include "sync/forked.hpp"

namespace {

using kin_test::forked;

std::string own_name(const char* what) { return "kin-test-" + std::to_string(getpid()) + "-" + what; }
bool exists(const std::string& name) { return access(("/dev/shm/" + name).c_str(), F_OK) == 0; }

const bool warm = kin_test::warm_up([] {
  const kin::shared_memory block(1), named(1, {.name = own_name("warm")});
  kin::process([] {}).join();
});

void write_hello(const kin::shared_memory& block) { std::memcpy(block.data(), "hello", 6); }

TEST(shared_memory, is_shared_with_processes) {
  const kin::shared_memory block(64 << 10);
  EXPECT_EQ(block.size(), 65536U);
  EXPECT_EQ(block.bytes().size(), 65536U);
  EXPECT_EQ(block.name(), "");
  EXPECT_EQ(std::ranges::count(block.bytes(), std::byte{0}), 65536);
  kin::process(write_hello, block).join();
  EXPECT_STREQ(reinterpret_cast<const char*>(block.data()), "hello");
  kin::process(kin::start::fork, [&] { block.bytes()[0] = std::byte{'j'}; }).join();
  EXPECT_STREQ(reinterpret_cast<const char*>(block.data()), "jello");
}

TEST(shared_memory, of_no_size_has_no_bytes) {
  const kin::shared_memory block(0);
  EXPECT_EQ(block.data(), nullptr);
  EXPECT_TRUE(block.bytes().empty());
  kin::process(
      [](const kin::shared_memory& mine) {
        if (mine.size() != 0) _exit(1);
      },
      block)
      .join();
  EXPECT_THROW(kin::shared_memory(0, {.name = own_name("empty")}), std::invalid_argument);
}

TEST(shared_memory, keeps_the_size_it_was_asked_for) {
  EXPECT_EQ(kin::shared_memory(5).size(), 5U);
  EXPECT_THROW(kin::shared_memory(-1), std::out_of_range);
  EXPECT_THROW(kin::shared_memory(std::size_t{1} << 60), kin::os_error);
}

TEST(shared_memory, with_a_name_is_opened_by_strangers) {
  const std::string name = own_name("named");
  const kin::shared_memory block(10'000, {.name = name});
  EXPECT_EQ(block.name(), name);
  const int fd = shm_open(("/" + name).c_str(), O_RDWR, 0);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(pwrite(fd, "stranger", 9, 0), 9);
  close(fd);
  EXPECT_STREQ(reinterpret_cast<const char*>(block.data()), "stranger");
  const auto again = kin::shared_memory::open("/" + name);
  EXPECT_EQ(again.size(), 10'000U);
  again.data()[0] = std::byte{'S'};
  EXPECT_EQ(block.data()[0], std::byte{'S'});
}

TEST(shared_memory, has_a_name_for_itself) {
  const std::string name = own_name("once");
  const kin::shared_memory block(10, {.name = name});
  try {
    const kin::shared_memory other(10, {.name = name});
    FAIL();
  } catch (const kin::os_error& e) {
    EXPECT_EQ(e.code().value(), EEXIST);
  }
  EXPECT_TRUE(exists(name));
  EXPECT_THROW((void)kin::shared_memory::open(own_name("nobody")), kin::os_error);
  for (const char* wrong : {"a/b", "/", ".", ".."})
    EXPECT_THROW(kin::shared_memory(10, {.name = wrong}), std::invalid_argument);
}

TEST(shared_memory, loses_its_name_with_its_last_handle) {
  const std::string name = own_name("scope");
  {
    const kin::shared_memory block(10, {.name = name});
    EXPECT_TRUE(exists(name));
  }
  EXPECT_FALSE(exists(name));
}

void make_again_and_again(const std::string& name) {
  for (int i = 0; i < 300; ++i) const kin::shared_memory block(100, {.name = name});
}

TEST(shared_memory, has_a_name_that_can_be_given_again_at_once_by_a_child_too) {
  make_again_and_again(own_name("again"));
  kin::process child(make_again_and_again, own_name("again"));
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}

template <class F>
std::string error_of(F&& f) {
  try {
    f();
    return "no error";
  } catch (const kin::os_error& e) {
    return e.what();
  }
}

void say_errors(const std::string& taken, const kin::shared_memory& text) {
  const std::string all = error_of([&] { const kin::shared_memory other(10, {.name = taken}); }) +
                          error_of([&] { (void)kin::shared_memory::open(taken + "-2"); });
  all.copy(reinterpret_cast<char*>(text.data()), text.size());
}

TEST(shared_memory, of_a_child_is_called_by_name_in_errors) {
  const std::string name = own_name("text");
  const kin::shared_memory block(10, {.name = name}), said(1000);
  kin::process(say_errors, name, said).join();
  const std::string text(reinterpret_cast<const char*>(said.data()));
  EXPECT_NE(text.find("make shared memory /" + name + ":"), std::string::npos) << text;
  EXPECT_NE(text.find("open shared memory /" + name + "-2:"), std::string::npos) << text;
}

TEST(shared_memory, leaves_a_name_that_is_a_strangers_by_now) {
  const std::string name = own_name("taken");
  {
    const kin::shared_memory block(10, {.name = name});
    ASSERT_EQ(shm_unlink(("/" + name).c_str()), 0);
    const int fd = shm_open(("/" + name).c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
    ASSERT_GE(fd, 0);
    close(fd);
  }
  EXPECT_TRUE(exists(name));
  EXPECT_TRUE(kin::shared_memory::unlink(name));
}

// The root hears of an unlink() later than the name is gone, and somebody may have made it again by then.
TEST(shared_memory, keeps_its_name_from_an_unlink_of_the_one_before) {
  const std::string name = own_name("again");
  const kin::shared_memory old(10, {.name = name});
  ASSERT_EQ(shm_unlink(("/" + name).c_str()), 0);
  {
    const kin::shared_memory fresh(10, {.name = name});
    kin::detail::family::forget_name("/" + name);
    EXPECT_TRUE(exists(name));
  }
  EXPECT_FALSE(exists(name)) << "its last handle is gone";
}

// Where a program has closed its standard streams, what it prints must not go into its own memory.
TEST(shared_memory, is_no_standard_stream) {
  const std::string name = "/" + own_name("stream");
  const pid_t copy = fork();
  if (copy == 0) {
    for (const int each : {0, 1, 2}) close(each);
    const auto made = kin::os::make_memory_without_name();
    kin::os::name_memory(made.get(), name);
    const auto opened = kin::os::open_named_memory(name);
    kin::os::unlink_named_memory(name);
    auto [one, other] = kin::os::packet_pair();
    const int sent[] = {made.get()};
    kin::os::send_packet(one.get(), std::as_bytes(std::span("x")), sent, kin::os::packet_wait::block);
    char room[8];
    const auto got =
        kin::os::recv_packet(other.get(), std::as_writable_bytes(std::span(room)), kin::os::packet_wait::block);
    _exit(made.get() > 2 && opened.get() > 2 && got.fds.size() == 1 && got.fds[0].get() > 2 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(copy, &status, 0), copy);
  EXPECT_EQ(status, 0);
}

TEST(shared_memory, is_unlinked_as_often_as_one_likes) {
  const std::string name = own_name("unlink");
  const kin::shared_memory block(10, {.name = name});
  EXPECT_TRUE(block.unlink());
  EXPECT_FALSE(exists(name));
  EXPECT_FALSE(block.unlink());
  EXPECT_FALSE(kin::shared_memory::unlink(name));
  write_hello(block);
  const kin::shared_memory next(10, {.name = name});
  // NOLINTNEXTLINE(performance-unnecessary-copy-initialization): its end is what is tested
  { const kin::shared_memory copy = block; }
  EXPECT_TRUE(exists(name)) << "it is another's now";
}

TEST(shared_memory, of_a_killed_process_leaves_no_name) {
  const kin::shared_memory anchor(1);  // this process is the root
  const std::string name = own_name("killed");
  forked maker([&] {
    const kin::shared_memory block(10, {.name = name});
    raise(SIGKILL);
  });
  ASSERT_EQ(maker.join(), -SIGKILL);
  for (int i = 0; i < 20'000 && exists(name); ++i) usleep(1000);
  EXPECT_FALSE(exists(name));
}

TEST(shared_memory, that_was_handed_on_loses_its_name_when_the_first_process_exits) {
  const std::string name = own_name("exit");
  // A first process of a family of its own: everything of this one's is left at exec.
  const std::string self = "/proc/self/exe";
  const pid_t pid = fork();
  if (pid == 0) {
    setenv("KIN_TEST_NAME", name.c_str(), 1);
    execl(self.c_str(), "again", "--gtest_filter=shared_memory.DISABLED_first_process",
          "--gtest_also_run_disabled_tests", nullptr);
    _exit(127);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(exists(name));
}
TEST(shared_memory, DISABLED_first_process) {
  kin_test::leave_this_one_alone("the name goes at exit");
  const char* name = std::getenv("KIN_TEST_NAME");
  ASSERT_NE(name, nullptr);
  const kin::shared_memory block(10, {.name = name});
  kin::process(write_hello, block).join();
  EXPECT_STREQ(reinterpret_cast<const char*>(block.data()), "hello");
  EXPECT_TRUE(exists(name));
}

TEST(shared_memory, beyond_a_limit_is_an_error_and_never_a_signal) {
  const kin::shared_memory anchor(1);
  forked limited([] {
    // A family of its own would be needed for the anonymous kind: there the root's limit counts.
    const rlimit limit{1 << 20, 1 << 20};
    setrlimit(RLIMIT_FSIZE, &limit);
    try {
      const kin::shared_memory block(8 << 20);
      std::memset(block.data(), 1, block.size());
    } catch (const kin::os_error&) {
    }
  });
  EXPECT_EQ(limited.join(), 0);
  for (const char* call : {"fallocate", "mmap", "ftruncate", "open", "fstat", "linkat"}) {
    const std::string name = own_name("fault");
    kin::os::inject_fault(call, 1, ENOSPC);
    EXPECT_THROW(kin::shared_memory(100'000, {.name = name}), kin::os_error) << call;
    kin::os::inject_fault(nullptr, 0, 0);
    EXPECT_FALSE(exists(name)) << call;
  }
}

TEST(shared_memory, of_more_than_there_can_be_is_an_error) {
  const std::size_t most = std::size_t{64} << 40;
  for (const std::size_t size : {most, most + 1, ~std::size_t{0} >> 1}) {
    try {
      const kin::shared_memory block(size);
      ADD_FAILURE() << size;
    } catch (const kin::os_error& e) {
      EXPECT_EQ(e.code().value(), ENOMEM) << size;
    }
  }
  EXPECT_EQ(kin::shared_memory(100'000).size(), 100'000U);
}

TEST(shared_memory, is_not_what_damaged_bytes_say) {
  const kin::shared_memory block(100'000);
  const auto whole = kin::detail::encode(block).bytes;
  std::mt19937_64 chance(1);
  for (int i = 0; i < 3000; ++i) {
    kin::detail::parcel message;
    message.bytes = whole;
    message.bytes[chance() % whole.size()] ^= static_cast<std::byte>(1 + chance() % 255);
    EXPECT_THROW((void)kin::detail::decode<kin::shared_memory>(std::move(message)), kin::decode_error);
  }
}

}  // namespace
