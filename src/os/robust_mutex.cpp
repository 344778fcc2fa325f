// SPDX-License-Identifier: BSL-1.0
// robust_mutex: PTHREAD_MUTEX_ROBUST (man 3 pthread_mutexattr_setrobust): the kernel walks a dying thread's list of
// held locks, marks them and wakes one waiter; since Linux 5.5 also when the one it had woken dies before it holds the
// lock.
#include "os/robust_mutex.hpp"

#include <cerrno>

#include <kin/core/error.hpp>

#include "os/monotonic_time.hpp"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KIN_UNDER_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define KIN_UNDER_TSAN 1
#endif

namespace kin::os {
namespace {

void check(int error, const char* call) {
  if (error != 0) throw os_error("make a lock in shared memory", call, error);
}

int timed_lock(pthread_mutex_t& mutex, deadline until) {
  if (until.is_never()) return ::pthread_mutex_lock(&mutex);
#ifdef KIN_UNDER_TSAN  // GCC 12's does not know pthread_mutex_clocklock
  timespec end{};
  ::clock_gettime(CLOCK_REALTIME, &end);
  const auto left = std::chrono::nanoseconds(until.left()).count() + end.tv_nsec;
  end.tv_sec += left / 1'000'000'000;
  end.tv_nsec = left % 1'000'000'000;
  return ::pthread_mutex_timedlock(&mutex, &end);
#else
  const timespec end = monotonic_time(until.when());
  return ::pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &end);
#endif
}

}  // namespace

void robust_mutex::make() {
  pthread_mutexattr_t attributes;
  check(::pthread_mutexattr_init(&attributes), "pthread_mutexattr_init");
  int error = ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  if (error == 0) error = ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  if (error == 0) error = ::pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
  if (error == 0) error = ::pthread_mutex_init(&mutex_, &attributes);
  ::pthread_mutexattr_destroy(&attributes);
  check(error, "pthread_mutex_init");
}

lock_result robust_mutex::lock(deadline until) {
  const int error = timed_lock(mutex_, until);
  if (error == 0) return lock_result::locked;
  if (error == ETIMEDOUT) return lock_result::timed_out;
  if (error == EOWNERDEAD) {
    ::pthread_mutex_consistent(&mutex_);
    return lock_result::owner_died;
  }
  throw os_error("lock shared memory", "pthread_mutex_lock", error);
}

void robust_mutex::unlock() noexcept { ::pthread_mutex_unlock(&mutex_); }

}  // namespace kin::os
