// SPDX-License-Identifier: BSL-1.0
// crash_handler: see the header. The handler unwinds, writes and dies: no heap, no locks. Unwinding is safe enough:
// with glibc 2.35 and gcc 12 it finds tables by _dl_find_object, without a lock; with older ones it may block on the
// loader's lock when the crash happened inside dlopen, and alarm() ends that.
#include "os/crash_handler.hpp"

#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <utility>

namespace kin::os {
namespace {

constexpr unsigned seconds_to_report = 5;
int report_fd = -1;
std::atomic_flag reporting = ATOMIC_FLAG_INIT;

struct walk {
  std::uint64_t addresses[most_frames];
  std::uint32_t n = 0;
  std::uint64_t start = 0;  // where the signal struck: frames above are the handler's own
  bool on = false;
};

void write_all(const void* from, std::size_t n) {
  for (const auto* p = static_cast<const char*>(from); n > 0;) {
    const ssize_t k = ::write(report_fd, p, n);
    if (k <= 0) return;
    p += k;
    n -= static_cast<std::size_t>(k);
  }
}

_Unwind_Reason_Code step(_Unwind_Context* context, void* argument) {
  auto& w = *static_cast<walk*>(argument);
  int before = 0;
  const std::uint64_t at = _Unwind_GetIPInfo(context, &before);
  if (at == 0) return _URC_END_OF_STACK;
  if (at == w.start) w.on = true;
  // The return address minus one lies in the call, not in the line after it.
  if (w.on && w.n < most_frames) w.addresses[w.n++] = at - (before ? 0 : 1);
  return w.n < most_frames ? _URC_NO_REASON : _URC_END_OF_STACK;
}

// A call through a bad pointer has no frame to unwind from: pretend that it returned. Reading the return address
// through a pipe turns a bad stack pointer into EFAULT.
bool return_from_nowhere([[maybe_unused]] ucontext_t* context) {
#if defined(__x86_64__) && defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 35)
  auto& rip = context->uc_mcontext.gregs[REG_RIP];
  auto& rsp = context->uc_mcontext.gregs[REG_RSP];
  dl_find_object found;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): registers hold numbers
  if (_dl_find_object(reinterpret_cast<void*>(rip), &found) == 0) return false;
  std::uint64_t return_address = 0;
  int ends[2];
  if (::pipe(ends) != 0) return false;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): as above
  if (::write(ends[1], reinterpret_cast<void*>(rsp), 8) != 8 || ::read(ends[0], &return_address, 8) != 8) return false;
  rip = static_cast<greg_t>(return_address);
  rsp += 8;
  return true;
#else
  return false;
#endif
}

std::uint64_t struck_at([[maybe_unused]] const ucontext_t* context) {
#if defined(__x86_64__)
  return static_cast<std::uint64_t>(context->uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return context->uc_mcontext.pc;
#else
  return 0;
#endif
}

void handle(int signal, siginfo_t* info, void* raw_context) {
  if (reporting.test_and_set()) {
    // Another thread reports, or the report itself has crashed.
    if (signal == SIGALRM) ::_exit(128 + signal);
    for (;;) ::pause();
  }
  ::alarm(seconds_to_report);
  auto* context = static_cast<ucontext_t*>(raw_context);
  crash_head head{};
  head.magic = crash_magic;
  head.signal = static_cast<std::uint32_t>(signal);
  head.code = info->si_code;
  head.pid = ::getpid();
  // What else a siginfo has lies in the same bytes.
  if (info->si_code > 0)
    head.address = reinterpret_cast<std::uint64_t>(info->si_addr);
  else if (info->si_code == SI_USER || info->si_code == SI_TKILL || info->si_code == SI_QUEUE)
    head.sender = info->si_pid;
  head.jumped_to_nowhere = return_from_nowhere(context);
  static walk w;  // not on the alternate stack
  w.start = struck_at(context);
  w.on = w.start == 0;
  _Unwind_Backtrace(&step, &w);
  head.frames = w.n;
  ::signal(SIGXFSZ, SIG_IGN);  // a report that RLIMIT_FSIZE cuts off is no cause of death
  write_all(&head, sizeof head);
  write_all(w.addresses, w.n * sizeof w.addresses[0]);
  const int maps = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  static char buffer[4096];
  for (ssize_t n = 0; (n = ::read(maps, buffer, sizeof buffer)) > 0;) write_all(buffer, static_cast<std::size_t>(n));

  struct sigaction fall {};
  fall.sa_handler = SIG_DFL;
  ::sigaction(signal, &fall, nullptr);
  ::syscall(SYS_tgkill, ::getpid(), ::syscall(SYS_gettid), signal);
}

void give_this_thread_an_alternate_stack() {
  constexpr std::size_t guard = 4096, size = 128 * 1024;
  void* p = ::mmap(nullptr, guard + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (p == MAP_FAILED) return;  // a stack overflow is then reported without a stack
  ::mprotect(p, guard, PROT_NONE);
  stack_t stack{};
  stack.ss_sp = static_cast<char*>(p) + guard;
  stack.ss_size = size;
  ::sigaltstack(&stack, nullptr);
}

}  // namespace

void prepare_crash_reports() {
  static bool prepared = false;  // also in copies of this process
  if (std::exchange(prepared, true)) return;
  _Unwind_Backtrace([](_Unwind_Context*, void*) { return _URC_END_OF_STACK; }, nullptr);
}

void report_crashes_to(int fd) {
  report_fd = fd;
  give_this_thread_an_alternate_stack();
  prepare_crash_reports();
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP}) {
    struct sigaction present {};
    ::sigaction(signal, nullptr, &present);
    if (present.sa_handler != SIG_DFL && present.sa_handler != SIG_IGN) continue;
    struct sigaction ours {};
    ours.sa_sigaction = &handle;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    ::sigaction(signal, &ours, nullptr);
  }
}

}  // namespace kin::os
