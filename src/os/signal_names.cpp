// SPDX-License-Identifier: BSL-1.0
// signal_names: see the header. The signals of man 7 signal, with the kernel's numbers, which differ by processor.
#include "os/signal_names.hpp"

#include <algorithm>
#include <csignal>
#include <iterator>

namespace kin::os {
namespace {

struct entry {
  int number;
  const char* name;
  const char* meaning;
};

constexpr entry all[] = {
    {SIGHUP, "SIGHUP", "Hangup"},
    {SIGINT, "SIGINT", "Interrupt"},
    {SIGQUIT, "SIGQUIT", "Quit"},
    {SIGILL, "SIGILL", "Illegal instruction"},
    {SIGTRAP, "SIGTRAP", "Trace or breakpoint trap"},
    {SIGABRT, "SIGABRT", "Aborted"},
    {SIGBUS, "SIGBUS", "Bus error"},
    {SIGFPE, "SIGFPE", "Arithmetic error"},
    {SIGKILL, "SIGKILL", "Killed"},
    {SIGUSR1, "SIGUSR1", "User-defined signal 1"},
    {SIGSEGV, "SIGSEGV", "Segmentation fault"},
    {SIGUSR2, "SIGUSR2", "User-defined signal 2"},
    {SIGPIPE, "SIGPIPE", "Broken pipe"},
    {SIGALRM, "SIGALRM", "Alarm clock"},
    {SIGTERM, "SIGTERM", "Terminated"},
    {SIGSTKFLT, "SIGSTKFLT", "Stack fault"},
    {SIGCHLD, "SIGCHLD", "Child ended or stopped"},
    {SIGCONT, "SIGCONT", "Continued"},
    {SIGSTOP, "SIGSTOP", "Stopped"},
    {SIGTSTP, "SIGTSTP", "Stopped at the terminal"},
    {SIGTTIN, "SIGTTIN", "Stopped at its input from the terminal"},
    {SIGTTOU, "SIGTTOU", "Stopped at its output to the terminal"},
    {SIGURG, "SIGURG", "Urgent data on a socket"},
    {SIGXCPU, "SIGXCPU", "CPU time limit exceeded"},
    {SIGXFSZ, "SIGXFSZ", "File size limit exceeded"},
    {SIGVTALRM, "SIGVTALRM", "Virtual timer expired"},
    {SIGPROF, "SIGPROF", "Profiling timer expired"},
    {SIGWINCH, "SIGWINCH", "Window changed"},
    {SIGIO, "SIGIO", "I/O possible"},
    {SIGPWR, "SIGPWR", "Power failure"},
    {SIGSYS, "SIGSYS", "Bad system call"},
};

const entry* find(int signal) noexcept {
  const auto* const found = std::ranges::find(all, signal, &entry::number);
  return found == std::end(all) ? nullptr : found;
}

}  // namespace

std::string signal_name(int signal) {
  if (const entry* const known = find(signal)) return known->name;
  if (signal >= SIGRTMIN && signal <= SIGRTMAX)
    return signal == SIGRTMIN ? "SIGRTMIN" : "SIGRTMIN+" + std::to_string(signal - SIGRTMIN);
  return "signal " + std::to_string(signal);
}

const char* signal_meaning(int signal) noexcept {
  const entry* const known = find(signal);
  return known ? known->meaning : "";
}

}  // namespace kin::os
