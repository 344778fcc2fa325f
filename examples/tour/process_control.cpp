// SPDX-License-Identifier: BSL-1.0
// What one can ask of a process: how it is called, whether it lives, how it ended; and what one can do to it.
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <thread>
#include <vector>

#include <kin/async.hpp>
#include <kin/process.hpp>

using namespace std::chrono_literals;

void rest() { std::this_thread::sleep_for(1h); }

int main() {
  kin::init();
  std::cout << std::boolalpha;

  kin::process quitter(
      {.name = "quitter"}, [](int code) { std::exit(code); }, 3);
  quitter.join();
  std::cout << quitter.name() << ": exit code " << *quitter.exitcode() << '\n';

  kin::process sleeper({.name = "sleeper"}, rest);
  std::cout << sleeper.name() << ": joined in 100 ms: " << sleeper.join_for(100ms) << ", alive: " << sleeper.is_alive()
            << ", exit code known: " << sleeper.exitcode().has_value() << '\n';
  std::cout << "children alive: " << kin::active_children().size() << '\n';
  sleeper.terminate();
  sleeper.join();
  std::cout << sleeper.name() << ": exit code " << *sleeper.exitcode() << ", " << sleeper.exit_status()->describe()
            << '\n';

  // What it does not catch is printed to stderr, as in Python; join() does not throw.
  kin::process thrower({.name = "thrower"}, [] { throw std::runtime_error("no such table"); });
  thrower.join();
  std::cout << thrower.name() << ": exit code " << *thrower.exitcode() << '\n';

  {
    kin::process background({.name = "background", .daemon = true}, rest);
    std::cout << background.name() << ": ends with this scope\n";
  }
  std::cout << "children alive: " << kin::active_children().size() << '\n';

  // A copy of this process, made by fork, may capture whatever it likes.
  std::vector<int> numbers{1, 2, 3};
  kin::process copy(kin::start::fork, [&] { std::cout << "the copy has " << numbers.size() << " numbers\n"; });
  copy.join();

  // A process for one call. What it returns or throws comes back.
  std::cout << "6 * 7 = " << kin::async([](int a, int b) { return a * b; }, 6, 7).get() << '\n';
  try {
    kin::async([](std::size_t n) { return std::vector<int>(3).at(n); }, 7).get();
  } catch (const std::out_of_range& e) {
    std::cout << "out of range: " << e.what() << '\n';
  }
}
