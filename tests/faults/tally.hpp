// SPDX-License-Identifier: BSL-1.0
// tally: what came of the tasks of a chaos: done, or failed with a reason that is one of those expected there.
#pragma once

#include <cstdio>
#include <map>
#include <new>
#include <stdexcept>
#include <string>

#include <kin/kin.hpp>

namespace kin_test {

class tally {
 public:
  /// For so many tasks: `get` gets their values, checks them, and throws what they have failed with. What it throws
  /// beside what is expected goes on to the caller.
  template <class Get>
  void account(long tasks, Get get) {
    all_ += tasks;
    times_[reason(get)] += tasks;
  }
  long operator[](const std::string& what) { return times_[what]; }
  [[nodiscard]] long all() const { return all_; }
  void print() const {
    std::printf("%ld tasks:", all_);
    for (const auto& [what, times] : times_) std::printf(" %ld %s;", times, what.c_str());
    std::printf("\n");
  }

 private:
  template <class Get>
  static const char* reason(Get get) {
    try {
      get();
      return "done";
    } catch (const kin::worker_lost&) {
      return "lost";
    } catch (const kin::task_timeout&) {
      return "late";
    } catch (const kin::start_error&) {
      return "no worker";
    } catch (const kin::closed_error&) {
      return "a peer died";  // the process that a task had started, killed by the lack of descriptors
    } catch (const kin::os_error&) {
      return "refused by the system";
    } catch (const kin::decode_error&) {
      return "no room for its descriptors";
    } catch (const std::bad_alloc&) {
      return "out of memory";
    } catch (const std::out_of_range&) {
      return "threw";
    }
  }
  long all_ = 0;
  std::map<std::string, long> times_;
};

}  // namespace kin_test
