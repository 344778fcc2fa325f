// SPDX-License-Identifier: BSL-1.0
// spawner: see the header.
#include "process/spawner.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

#include <kin/core/error.hpp>

#include "os/process_id.hpp"
#include "os/processors.hpp"
#include "process/runtime.hpp"

namespace kin::detail {
namespace {

struct job {
  const os::launch_request* request;
  os::launched child;
  std::exception_ptr failure;
  bool done = false;
};

// Never destroyed: its thread ends with the process and not before.
class spawner {
 public:
  spawner() {
    try {
      std::thread([this] { run(); }).detach();
    } catch (const std::system_error& e) {
      throw os_error("start the thread that starts processes", "pthread_create", e.code().value());
    }
  }

  os::launched launch(const os::launch_request& request) {
    job mine{&request, {}, nullptr};
    std::unique_lock hold(mutex_);
    jobs_.push_back(&mine);
    // This thread sleeps until the child has begun. So the other goes on in its place: another processor may have to be
    // woken first, which takes longer than the launch. A child gets the affinity that it is to have in any case.
    if (thread_ > 0 && !request.inherited->affinity.empty()) os::bring_to_this_processor(thread_, brought_to_);
    hold.unlock();
    work_.notify_one();
    hold.lock();
    done_.wait(hold, [&] { return mine.done; });
    if (mine.failure) std::rethrow_exception(mine.failure);
    return std::move(mine.child);
  }

 private:
  [[noreturn]] void run() {
    const os::own_thread me("kin-spawner");
    std::unique_lock hold(mutex_);
    thread_ = os::own_thread_id();
    for (;;) {
      work_.wait(hold, [&] { return !jobs_.empty(); });
      job* next = jobs_.front();
      jobs_.pop_front();
      hold.unlock();
      try {
        next->child = launcher_.launch(*next->request);
      } catch (...) {
        next->failure = std::current_exception();
      }
      hold.lock();
      next->done = true;
      done_.notify_all();
    }
  }

  os::launcher launcher_;
  std::mutex mutex_;
  std::condition_variable work_, done_;
  int thread_ = 0;       // its number
  int brought_to_ = -1;  // the processor
  std::deque<job*> jobs_;
};

std::mutex making_spawner;
std::atomic<spawner*> the_spawner{nullptr};

spawner& current_spawner() {
  if (spawner* s = the_spawner.load(std::memory_order_acquire)) return *s;
  const std::lock_guard hold(making_spawner);
  if (!the_spawner.load()) {
    static const bool registered = [] {
      // In a forked copy the thread does not exist: the next start makes a new one. The lock may have been copied
      // while another thread held it.
      runtime::get().on_fork([] {
        the_spawner.store(nullptr);
        new (&making_spawner) std::mutex;
      });
      return true;
    }();
    (void)registered;
    the_spawner.store(new spawner, std::memory_order_release);
  }
  return *the_spawner.load();
}

}  // namespace

os::launched launch_in_spawner(const os::launch_request& request) { return current_spawner().launch(request); }

}  // namespace kin::detail
