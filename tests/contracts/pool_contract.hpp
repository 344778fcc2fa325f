// SPDX-License-Identifier: BSL-1.0
// pool_contract: what every pool of worker processes does, by whichever start method its workers begin.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <kin/event.hpp>
#include <kin/pool.hpp>

namespace kin_test {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;
using testing::HasSubstr;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif
#else
inline constexpr bool sanitized = false;
#endif
/// Factor for ceilings: a loaded machine is slow, one with sanitizers slower.
inline constexpr int patience = sanitized ? 20 : 8;

class pool_contract : public testing::TestWithParam<kin::start_method> {
 protected:
  static kin::pool_options options(kin::count workers) {
    kin::pool_options o;
    o.workers = workers;
    o.start = GetParam();
    return o;
  }
};

/// A start method that has crossed to another process as a number.
inline kin::start_method method_of(int number) {
  for (const kin::start_method m : {kin::start_method(kin::start::fork), kin::start_method(kin::start::forkserver)})
    if (static_cast<int>(m.which()) == number) return m;
  return kin::start::spawn;
}

inline int square(int n) { return n * n; }
inline int own_pid() { return ::getpid(); }
inline int nap(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  return ::getpid();
}
inline int wait_for(const kin::event& e) {
  e.wait();
  return ::getpid();
}
inline int die_by(int number) {
  ::raise(number);
  return 0;
}
inline double ms_since(clock::time_point start) {
  return std::chrono::duration<double, std::milli>(clock::now() - start).count();
}
/// What a future throws: "type of kin's: text", or "value".
template <class T>
std::string failure_of(const kin::future<T>& f) {
  try {
    (void)f.get();
    return "value";
  } catch (const kin::worker_lost& e) {
    return std::string("worker_lost: ") + e.what();
  } catch (const kin::task_timeout& e) {
    return std::string("task_timeout: ") + e.what();
  } catch (const kin::cancelled_error& e) {
    return std::string("cancelled_error: ") + e.what();
  } catch (const kin::start_error& e) {
    return std::string("start_error: ") + e.what();
  } catch (const kin::encode_error& e) {
    return std::string("encode_error: ") + e.what();
  } catch (const kin::decode_error& e) {
    return std::string("decode_error: ") + e.what();
  } catch (const kin::closed_error& e) {
    return std::string("closed_error: ") + e.what();
  } catch (const kin::remote_error& e) {
    return std::string("remote_error: ") + e.what();
  } catch (const std::exception& e) {
    return std::string("exception: ") + e.what();
  }
}

#define KIN_POOL_CONTRACT(suite)                                                                       \
  INSTANTIATE_TEST_SUITE_P(                                                                            \
      by, suite,                                                                                       \
      testing::Values(kin::start_method(kin::start::spawn), kin::start_method(kin::start::forkserver), \
                      kin::start_method(kin::start::fork)),                                            \
      [](const auto& of) { return std::string(of.param.name()); })

}  // namespace kin_test
