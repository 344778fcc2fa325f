// SPDX-License-Identifier: BSL-1.0
// worker_lost: what it tells beside the signal and the stack: how long the task ran, what its process used, and whether
// the kernel's out-of-memory killer did it.
#include <kin/kin.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>

#include "os/gate.hpp"
#include "support/leaves_nothing_behind.hpp"

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

namespace {

using clock = std::chrono::steady_clock;

class worker_lost : public testing::TestWithParam<kin::start_method> {
 protected:
  kin::pool workers{{.workers = 1, .start = GetParam()}};

  template <class Task, class... Args>
  kin::worker_lost loss_of(Task task, Args... args) {
    try {
      workers.apply(task, args...);
    } catch (const kin::worker_lost& e) {
      return e;
    }
    throw std::logic_error("its worker was not lost");
  }
};
INSTANTIATE_TEST_SUITE_P(by, worker_lost,
                         testing::Values(kin::start_method(kin::start::spawn),
                                         kin::start_method(kin::start::forkserver),
                                         kin::start_method(kin::start::fork)),
                         [](const auto& of) { return std::string(of.param.name()); });

// A memory cgroup with a limit, for whoever enters it, where this process may make one; v1 or v2.
class small_memory {
 public:
  static std::optional<std::string> make(const char* limit) {
    const std::string name = "/kin-test-" + std::to_string(::getpid());
    for (const auto& [root, file] :
         {std::pair("/sys/fs/cgroup/memory", "/memory.limit_in_bytes"), std::pair("/sys/fs/cgroup", "/memory.max")}) {
      const std::string folder = root + name;
      if (::mkdir(folder.c_str(), 0755) != 0) continue;
      std::ofstream to(folder + file);
      if (to << limit << std::flush) return folder;
      ::rmdir(folder.c_str());
    }
    return std::nullopt;
  }
};

TEST_P(worker_lost, tells_how_long_its_task_ran) {
  EXPECT_EQ(workers.apply([] { return 1; }), 1);
  const auto task = [] {
    const auto end = clock::now() + 60ms;
    while (clock::now() < end) {
    }
    std::raise(SIGKILL);
  };
  const auto before = clock::now();
  const kin::worker_lost e = loss_of(task);
  const auto most = clock::now() - before;
  EXPECT_GE(e.run_time(), 59ms);  // by two clocks
  EXPECT_LE(e.run_time(), most + 1ms);
  EXPECT_THAT(e.what(), HasSubstr("the task ran for " + std::to_string(e.run_time().count() / 1000) + " ms"));
}

TEST_P(worker_lost, does_not_count_what_ran_before_its_task) {
  workers.apply([] { ::usleep(200'000); });
  const auto before = clock::now();
  const kin::worker_lost e = loss_of([] { std::raise(SIGKILL); });
  EXPECT_LE(e.run_time(), clock::now() - before + 1ms);  // by two clocks
}

TEST_P(worker_lost, tells_what_its_process_used) {
  const kin::worker_lost e = loss_of([] {
    constexpr std::size_t much = 48 << 20;
    char* const memory = static_cast<char*>(std::malloc(much));
    std::memset(memory, 1, much);
    for (const auto end = clock::now() + 30ms; clock::now() < end;) asm volatile("" ::"r"(memory) : "memory");
    std::_Exit(3);
  });
  EXPECT_GE(e.status().peak_memory, std::uint64_t{48} << 20);
  EXPECT_GE(e.status().cpu_time(), 5ms);
  EXPECT_THAT(e.what(), HasSubstr("peak memory "));
  EXPECT_THAT(e.what(), HasSubstr("CPU time of the process "));
}

TEST_P(worker_lost, blames_the_out_of_memory_killer_only_if_it_has_run) {
  workers.apply([] {});
  EXPECT_THAT(loss_of([] { std::raise(SIGKILL); }).details(), Not(HasSubstr("OOM")));
  workers.apply([] {});
  kin::os::inject_fault("oom_kills", 1, 0);  // its next count is one more
  EXPECT_THAT(loss_of([] { std::raise(SIGKILL); }).details(), HasSubstr("OOM killer"));
}

TEST_P(worker_lost, tells_of_the_out_of_memory_killer) {
  const auto group = small_memory::make("96M");
  if (!group) GTEST_SKIP() << "this process may not make a memory cgroup";
  workers.apply([] {});
  const kin::worker_lost e = loss_of(
      [](const std::string& folder) {
        std::ofstream(folder + "/cgroup.procs") << ::getpid() << std::flush;
        for (;;) {
          void* const memory = std::memset(std::malloc(1 << 20), 1, 1 << 20);
          asm volatile("" ::"r"(memory) : "memory");  // else the compiler may do without it
        }
      },
      *group);
  EXPECT_EQ(e.signal(), SIGKILL);
  EXPECT_THAT(e.details(), HasSubstr("OOM killer"));
  EXPECT_EQ(workers.apply([] { return 7; }), 7);
  // Empty once the dead one is gone from it.
  for (const auto end = clock::now() + 10s; ::rmdir(group->c_str()) != 0 && clock::now() < end;) ::usleep(1000);
}

}  // namespace
