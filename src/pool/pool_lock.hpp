// SPDX-License-Identifier: BSL-1.0
// pool_lock: a pool's lock, under which tasks are settled. What goes with a task may be the user's, values, closures,
// and its destructor may use the pool: it is destroyed when the lock has been given up.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <utility>

namespace kin::detail {

class pooled_task;

/// In one thread, which gives it up in the reverse order of others of its kind.
class pool_lock : public std::unique_lock<std::mutex> {
 public:
  using hooks = std::list<std::function<void()>>;

  explicit pool_lock(std::mutex& of) : unique_lock(of), outer_(std::exchange(innermost, this)) {}
  pool_lock(std::mutex& of, std::try_to_lock_t how) : unique_lock(of, how) {
    if (owns_lock()) outer_ = std::exchange(innermost, this);
  }
  pool_lock(const pool_lock&) = delete;
  pool_lock& operator=(const pool_lock&) = delete;
  ~pool_lock() {
    if (innermost == this) unlock();  // it is, as long as this holds the mutex
  }
  void lock() {
    unique_lock::lock();
    outer_ = std::exchange(innermost, this);
  }
  void unlock() {
    innermost = outer_;
    unique_lock::unlock();
    if (has_remains()) [[unlikely]]
      destroy_remains();
  }
  [[nodiscard]] bool has_remains() const noexcept { return tasks_ != nullptr || !hooks_.empty(); }

  /// Destroys that when the lock that this thread took last has been given up; at once if it has none.
  static void destroy_later(hooks&& those) noexcept;
  static void destroy_later(std::unique_ptr<pooled_task> one) noexcept;

 private:
  void destroy_remains() noexcept;

  static thread_local constinit pool_lock* innermost;
  pool_lock* outer_ = nullptr;
  hooks hooks_;
  pooled_task* tasks_ = nullptr;  // the others by their `after`
};

}  // namespace kin::detail
