// SPDX-License-Identifier: BSL-1.0
// A task may submit to its own pool and wait, however few workers it has; or to a pool of its own.
#include <iostream>
#include <numeric>
#include <vector>

#include <kin/pool.hpp>

int fibonacci(int n) {
  if (n < 2) return n;
  kin::pool& mine = kin::current_pool();
  auto a = mine.apply_async(fibonacci, n - 1);
  auto b = mine.apply_async(fibonacci, n - 2);
  return a.get() + b.get();
}

int sum_of_squares(const std::vector<int>& numbers) {
  kin::pool inner(2);
  const auto squares = inner.map([](int n) { return n * n; }, numbers);
  return std::accumulate(squares.begin(), squares.end(), 0);
}

int main() {
  kin::init();
  kin::pool workers(1);
  std::cout << workers.apply(fibonacci, 7) << "\n";
  std::cout << workers.apply(sum_of_squares, std::vector{1, 2, 3}) << "\n";
}
