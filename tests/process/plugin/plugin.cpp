// SPDX-License-Identifier: BSL-1.0
// plugin: code with no main() of its own, loaded by a program (programs/plugin_host.cpp) that knows nothing of kin.
#include <kin/kin.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

int square(int n) { return n * n; }
void produce(const kin::queue<std::string>& to, int n) {
  for (int i = 0; i < n; ++i) to.put(kin::current_process().name() + " " + std::to_string(i));
}
int deeper(int n) { return n == 0 ? 1 : 1 + kin::async(deeper, n - 1).get(); }
void fail() { throw std::out_of_range("over the edge"); }

void run_process(kin::start_method how) {
  kin::queue<std::string> words;
  kin::process child({.name = "maker", .start = how}, produce, words, 2);
  child.join();
  for (int i = 0; i < 2; ++i) std::printf("%s, ", words.get().c_str());
  std::printf("code %d\n", child.exitcode().value_or(-1));
}

void run_pool(kin::start_method how) {
  kin::pool workers({.workers = 2, .start = how});
  const std::vector<int> numbers = workers.map([](int n) { return n + 1; }, std::vector<int>{1, 2, 3});
  std::printf("%d %d\n", workers.apply(square, 7), std::accumulate(numbers.begin(), numbers.end(), 0));
  try {
    workers.apply(fail);
  } catch (const std::out_of_range& e) {
    std::printf("%s\n", e.what());
  }
}

void nothing() {}

void run(const std::string& scene, const char* argument, int (*of_host)(int)) {
  if (scene == "without") kin::process(nothing).join();
  kin::set_executable(argument);
  if (scene == "processes")
    for (const kin::start_method how : {kin::start_method(kin::start::spawn), kin::start_method(kin::start::forkserver),
                                        kin::start_method(kin::start::fork)})
      run_process(how);
  if (scene == "pools") run_pool(kin::start::spawn), run_pool(kin::start::forkserver);
  if (scene == "nested") std::printf("%d\n", kin::async(deeper, 2).get());
  if (scene == "start") kin::process(nothing).join(), std::puts("started");
  if (scene == "serve") kin::process(kin::start::forkserver, nothing).join(), std::puts("started");
  if (scene == "killed") {
    const kin::shared_memory block(10, {.name = std::getenv("KIN_TEST_NAME")});
    std::printf("%d\n", std::filesystem::exists("/dev/shm/" + block.name()));
    std::fflush(stdout);
    std::raise(SIGKILL);
  }
  if (scene == "hosts") std::printf("%d\n", kin::async(of_host, 3).get());
}

}  // namespace

extern "C" KIN_EXPORT void kin_test_plugin_main(const char* scene, const char* argument, int (*of_host)(int)) {
  try {
    run(scene, argument, of_host);
  } catch (const kin::start_error& e) {
    std::printf("start_error: %s\n", e.what());
  } catch (const std::exception& e) {
    std::printf("exception: %s\n", e.what());
  }
  std::fflush(stdout);
}
