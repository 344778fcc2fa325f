// SPDX-License-Identifier: BSL-1.0
// bootstrap: the first and last words between a parent and its child over the child's channel (descriptor 3):
// parent: who you are, then the call; child: hello, then what its role answers, at the end its exit code.
#pragma once

#include <exception>
#include <optional>
#include <string>

#include <kin/process/child.hpp>
#include <kin/process/exit_status.hpp>
#include <kin/transport/channel.hpp>
#include <kin/wire/parcel.hpp>

namespace kin::detail {

/// Frame signatures of the channel between a parent and its child.
inline constexpr std::uint64_t introduction_frame = 0x6b696e2d696e7472;  // "kin-intr"
inline constexpr std::uint64_t call_frame = 0x6b696e2d63616c6c;          // "kin-call"
inline constexpr std::uint64_t hello_frame = 0x6b696e2d68656c6f;         // "kin-helo"
inline constexpr std::uint64_t refused_frame = 0x6b696e2d72656675;       // "kin-refu": instead of hello, or after it
inline constexpr std::uint64_t outcome_frame = 0x6b696e2d6f757463;       // "kin-outc"
inline constexpr std::uint64_t exit_frame = 0x6b696e2d65786974;          // "kin-exit"

/// Numbers of the descriptors a spawned child starts with.
inline constexpr int channel_fd = 3;
inline constexpr int lifeline_fd = 4;
inline constexpr int family_fd = 5;
inline constexpr int crash_fd = 6;   // workers and servers only
inline constexpr int orders_fd = 6;  // the fork server only

/// So many bytes of a call fit into a new channel whose other end nobody reads yet.
inline constexpr std::size_t fits_into_socket = 32 * 1024;

/// What a child is told about itself.
struct introduction {
  child_role role = child_role::process;
  std::string name, identity, parent_name, locale;
  bool daemon = false;
  int parent_pid = -1;
  std::string task;           ///< place of a task that kin-worker has to load before it says hello; empty elsewhere
  std::uint32_t sharers = 1;  ///< of its processors
};
parcel encode_introduction(const introduction& who);
introduction decode_introduction(parcel message);
child_role role_of(int number);  ///< Throws decode_error.

/// In a child: loads the module of its task, if it has to. False: the parent has been told why it cannot.
bool load_task_of(const introduction& who, channel& to_parent);
/// In a child that is told by `who` what it is: tells the runtime.
void become_child(const introduction& who, unique_fd parent_pidfd);
/// Runs the call in the child's role and ends in std::exit.
[[noreturn]] void run_call_in_role(const introduction& who, parcel request);

/// In a spawned child: takes the introduction and the call from the channel, runs it in its role and ends in std::exit.
/// Makes a child a member of the family it was started in, the first time.
void attach_to_family();
[[noreturn]] void run_spawned_child(unique_fd channel_end);

/// Runs `body` in its role and returns the exit code: an exception of a process is printed.
int run_in_role(child_role role, const std::string& name, const std::function<void()>& body);

/// In a child that cannot begin: tells whoever started it why. Waits for nobody; says nothing where it cannot.
void say_why_not(channel& to_parent, const std::exception& why) noexcept;

/// In a child: the channel to the parent, for roles that talk over it.
channel& link_to_parent();
void set_link_to_parent(channel c);
void say_exit_code(int code) noexcept;
/// Registers the handler that says it when a child whose role that is calls exit(). Once, however often it is called.
void prepare_exit();

/// After the end: reads what the child said last. Fills in an exit code that nobody could take any more, and marks a
/// child whose main() returned without ever reaching kin::init(). `greeted`: its hello has been taken already.
void complete_from_last_words(channel& from_child, exit_status& status, bool greeted) noexcept;

}  // namespace kin::detail
