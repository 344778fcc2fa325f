// SPDX-License-Identifier: BSL-1.0
// A pool's other calls: one task and its result, results that take time, failures, crashes, and what may be a task.
#include <chrono>
#include <csignal>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <kin/pool.hpp>

using namespace std::chrono_literals;

int square(int n) { return n * n; }

struct scale {  // a function object: its members travel with it
  double factor;
  double operator()(double x) const { return factor * x; }
};

std::string quote(const std::string& left, const std::string& right, const std::string& text) {
  return left + text + right;
}

int main() {
  kin::init();
  kin::pool workers(4);

  std::cout << "apply: " << workers.apply(square, 7) << '\n';
  std::cout << "workers, after one task: " << workers.stats().workers << '\n';  // the pool grows when it must

  auto slow = workers.apply_async([] {
    std::this_thread::sleep_for(300ms);
    return std::string("done");
  });
  if (!slow.get_for(10ms)) std::cout << "not within 10 ms; ready: " << slow.ready() << '\n';
  std::cout << "get: " << slow.get() << ", successful: " << slow.successful() << '\n';

  try {
    workers.apply([](const std::vector<int>& v) { return v.at(3); }, std::vector{1, 2});
  } catch (const std::out_of_range& e) {  // as thrown in the worker
    std::cout << "out of range: " << e.what() << '\n';
  }
  try {
    workers.apply([] { std::raise(SIGKILL); });
  } catch (const kin::worker_lost& e) {  // a crash costs its own task only
    std::cout << "lost by signal " << e.signal() << '\n';
  }

  for (double x : workers.map(scale{0.5}, {1.0, 2.0, 3.0})) std::cout << x << ' ';
  for (const std::string& s : workers.map(kin::bind(quote, "«", "»"), {"a", "b"})) std::cout << s << ' ';
  for (int n : workers.starmap([](int a, int b) { return a - b; }, std::vector{std::pair{5, 3}, {9, 2}}))
    std::cout << n << ' ';
  std::cout << '\n';
}
