// SPDX-License-Identifier: BSL-1.0
// any_pool_contract: what a pool does, whatever its workers are: processes by each start method, or threads.
//
// The rule for what is not here: a test is of processes alone (TEST_P of a pool_contract) if it needs that workers are
// not in the caller's process: they have pids, directories and descriptors of their own, die alone, can be stopped.
#pragma once

#include <concepts>
#include <optional>
#include <string>

#include <kin/thread_pool.hpp>

#include "contracts/pool_contract.hpp"

namespace kin_test {

/// What the workers of a pool are: processes by a start method; without one, threads.
struct kind_of_worker {
  std::optional<kin::start_method> process;
  [[nodiscard]] std::string name() const { return process ? std::string(process->name()) : "threads"; }
};

template <class Pool>
inline constexpr bool has_processes = std::same_as<Pool, kin::pool>;

class any_pool_contract : public testing::TestWithParam<kind_of_worker> {
 public:
  static kin::pool_options options(kin::count workers) {
    kin::pool_options o;
    o.workers = workers;
    if (GetParam().process) o.start = *GetParam().process;
    return o;
  }
};
inline kin::pool_options options(kin::count workers) { return any_pool_contract::options(workers); }

/// A test of the suite, an any_pool_contract, for both kinds of Pool: kin::pool and kin::thread_pool.
#define KIN_ANY_POOL_TEST(suite, name)    \
  template <class Pool>                   \
  void suite##_##name();                  \
  TEST_P(suite, name) {                   \
    if (GetParam().process)               \
      suite##_##name<kin::pool>();        \
    else                                  \
      suite##_##name<kin::thread_pool>(); \
  }                                       \
  template <class Pool>                   \
  void suite##_##name()

#define KIN_ANY_POOL_CONTRACT(suite)                                                                                  \
  INSTANTIATE_TEST_SUITE_P(by, suite,                                                                                 \
                           testing::Values(kind_of_worker{kin::start::spawn}, kind_of_worker{kin::start::forkserver}, \
                                           kind_of_worker{kin::start::fork}, kind_of_worker{}),                       \
                           [](const auto& of) { return of.param.name(); })

}  // namespace kin_test
