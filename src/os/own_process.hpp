// SPDX-License-Identifier: BSL-1.0
// own_process: what a process that waits to become a child does to itself: its ties, its name, its descriptors.
#pragma once

#include <sys/resource.h>

#include <cstddef>
#include <span>

#include <kin/os/unique_fd.hpp>

namespace kin::os {

/// From now on the end of the process that forked this one kills this one; ends it at once when that is not `parent`
/// any more.
void die_with_parent(int parent) noexcept;
/// From now on it does not.
void outlive_parent() noexcept;

/// Goes on in a copy of this process that is nobody's child and leads a process group; the process itself ends. For one
/// without threads or exit handlers. Throws os_error.
void go_on_in_a_copy();

/// Another open file description of the same pipe end: it can be armed for this process alone (see lifeline.hpp).
/// Throws os_error (ENOENT without /proc).
unique_fd reopen_pipe(int fd);

/// Puts `from` at the number `to`, close-on-exec; what was there is closed. Throws os_error.
void move_descriptor(unique_fd from, int to);
/// The same description at a number of `first` or higher. Throws os_error.
unique_fd at_or_above(int first, unique_fd fd);
/// Puts a copy of `from` at the number `to` of a standard stream; -1 closes it. Throws os_error.
void set_standard_stream(int from, int to);
/// Closes every descriptor from `first` on.
void close_descriptors_from(int first) noexcept;
/// Lets stdin, stdout and stderr lead to /dev/null. Throws os_error.
void silence_standard_streams();

/// Ignores what a terminal or a shutdown sends to whole process groups, or gives it its default meaning again.
void ignore_group_signals() noexcept;
void default_group_signals() noexcept;

/// From now on this process does not take the processor from whom it is woken by (man 7 sched, SCHED_BATCH). False:
/// it has another policy, and keeps it.
bool give_way_when_woken() noexcept;
/// Undoes that.
void stop_giving_way() noexcept;

/// Shown by ps and in /proc/PID/comm; at most 15 bytes of it.
void name_own_process(const char* name) noexcept;

/// Raises the soft limit of open files to the hard one, and sets it back.
void allow_most_descriptors() noexcept;
void limit_descriptors(const rlimit& limit) noexcept;

/// Tells the reader of a pipe, in one piece (at most PIPE_BUF bytes). Throws os_error.
void write_note(int pipe, std::span<const std::byte> note);

/// Ends this process at once: no exit handlers, no streams.
[[noreturn]] void leave_at_once(int code) noexcept;

}  // namespace kin::os
