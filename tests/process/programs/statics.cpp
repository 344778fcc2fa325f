// SPDX-License-Identifier: BSL-1.0
// statics: a program whose shared objects are static, so that every child has made some of its own before init().
#include <kin/kin.hpp>

#include <cstdio>
#include <mutex>

namespace {
kin::queue<int> items;
kin::mutex lock;
kin::value<int> number{7};

void work(const kin::queue<int>& to, const kin::mutex& guard, const kin::value<int>& count) {
  const std::scoped_lock hold(guard);
  ++count;
  to.put(1);
}
}  // namespace

int main() {
  kin::init();
  for (const auto method : {kin::start_method(kin::start::spawn), kin::start_method(kin::start::forkserver),
                            kin::start_method(kin::start::fork)}) {
    kin::process({.start = method}, work, items, lock, number).join();
    const auto got = static_cast<int>(items.size());
    std::printf("%s: %d item, value %d\n", method.name().data(), got, number.load());
    std::fflush(stdout);
    if (got != 1) return 1;
    items.get();
  }
}
