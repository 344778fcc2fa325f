// SPDX-License-Identifier: BSL-1.0
// staying: a copy of the test that does something and then lives on: its death would wake everybody who sleeps, and so
// hide that somebody was not woken.
#pragma once

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>

#include "sync/forked.hpp"
#include "sync/shared_page.hpp"

namespace kin_test {

class staying {
 public:
  explicit staying(const std::function<void()>& body)
      : process_([&] {
          body();
          *done_ = true;
          for (;;) ::pause();
        }) {}
  void until_done_or_asleep() const {
    while (!*done_ && !forked::is_asleep(process_.pid())) ::usleep(50);
  }
  [[nodiscard]] bool is_done() const { return *done_; }
  /// False: not in time.
  [[nodiscard]] bool done(std::chrono::milliseconds limit = patience()) const {
    for (const auto end = std::chrono::steady_clock::now() + limit; !*done_; ::usleep(50))
      if (std::chrono::steady_clock::now() > end) return false;
    return true;
  }
  void kill() { process_.kill(); }

 private:
  shared_page<std::atomic<bool>> done_;
  forked process_;
};

}  // namespace kin_test
