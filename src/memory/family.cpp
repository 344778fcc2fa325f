// SPDX-License-Identifier: BSL-1.0
// family: who belongs to it, and what the root keeps for each: numbers, holds, flags. See the header; its memory is in
// family_memory.cpp.
#include "memory/family.hpp"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include <kin/core/error.hpp>
#include <kin/os/duplicate.hpp>

#include "memory/family_state.hpp"
#include "memory/fork_hooks.hpp"
#include "os/descriptor_flags.hpp"
#include "os/fork_hooks.hpp"
#include "os/memory_barrier.hpp"
#include "os/memory_file.hpp"
#include "os/pidfd.hpp"
#include "os/process_id.hpp"

namespace kin::detail::family {

thread_local constinit claim this_thread = 0;
const family_table* table = nullptr;

// Never destroyed: threads and exit handlers may still use it.
state& the() {
  static state* const s = [] {
    auto* made = new state;
    os::on_fork(
        [] {
          state& here = the();
          here.mutex.lock();
          if (here.root) here.root->lock();
        },
        [] {
          state& here = the();
          if (here.root) here.root->unlock();
          here.mutex.unlock();
        },
        [] {
          state& here = the();
          if (here.root) {
            // The copy is a member like any other; the root's threads and duties stay with the root.
            here.link = here.root->abandon();
            here.root = nullptr;
          }
          here.me = {};
          this_thread = 0;
          here.pieces.forget();
          here.first_holds = {};
          here.free_threads.clear();
          here.next_thread = 0;
          here.mutex.unlock();
        });
    return made;
  }();
  return *s;
}

namespace {
bool has_its_link(const state& s) noexcept { return os::file_behind(s.link.get()) == s.link_file; }
}  // namespace

// One question to the root, in a member.
family_answer ask(state& s, const family_request& request, int extra_fd, const char* doing,
                  std::vector<unique_fd>& fds) {
  if (!has_its_link(s))
    throw os_error(std::string(doing) + ": this process has closed a descriptor of kin's", "sendmsg", EBADF);
  auto [mine, theirs] = os::packet_pair();
  std::vector<int> sent{theirs.get()};
  if (extra_fd >= 0) sent.push_back(extra_fd);
  if (!os::send_packet(s.link.get(), std::as_bytes(std::span(&request, 1)), sent, os::packet_wait::block))
    throw os_error(std::string(doing) + ": the first process of this family has ended", "sendmsg", EPIPE);
  theirs.reset();
  family_answer answer{};
  os::packet message =
      os::recv_packet(mine.get(), std::as_writable_bytes(std::span(&answer, 1)), os::packet_wait::block);
  if (message.size != sizeof answer)
    throw os_error(std::string(doing) + ": the first process of this family has ended, or has no descriptor left",
                   "recvmsg", ECONNRESET);
  if (answer.error != 0) throw os_error(doing, "family", answer.error);
  fds = std::move(message.fds);
  return answer;
}

namespace {

class thread_slot {
 public:
  void take(state& s) {
    if (owner_ == os::own_pid()) return;
    // One that is given again as late as can be: a thread that ended while it held a lock still holds it by its number.
    if (s.next_thread != 0xffff) {
      number_ = s.next_thread++;
    } else {
      if (s.free_threads.empty()) throw os_error("use shared objects in more than 65535 threads", "join", EAGAIN);
      number_ = s.free_threads.front();
      s.free_threads.pop_front();
    }
    owner_ = os::own_pid();
  }
  [[nodiscard]] std::uint32_t number() const { return number_; }
  ~thread_slot() {
    if (owner_ != os::own_pid()) return;
    state& s = the();
    const std::lock_guard hold(s.mutex);
    this_thread = 0;
    s.free_threads.push_back(number_);
  }

 private:
  std::uint32_t number_ = 0;
  int owner_ = -1;
};
thread_local thread_slot slot;

// This process alone has them, and not the copies that it forks.
std::span<std::atomic<hold_word>> map_holds(int file, const family_answer& where) {
  os::mapping words(file, where.offset, where.size, os::access::write);
  words.keep_from_copies();
  return {reinterpret_cast<std::atomic<hold_word>*>(std::move(words).release()), where.size / sizeof(hold_word)};
}

void make_root(state& s) {
  s.root = new supervisor;  // throws before anything is kept
  table = s.root->table();
  s.link_file = os::file_behind(s.root->link());  // a copy's link
  // A forked copy that ends here is not the root any more.
  std::atexit([] {
    if (supervisor* root = the().root) root->remove_names();
  });
}

void become_member(state& s) {
  if (s.me.member != 0) return;
  if (!s.root && !s.link) make_root(s);
  if (s.root) {
    s.me = s.root->join_root();
    return;
  }
  constexpr const char* doing = "share objects with other processes";
  const unique_fd self = os::open_pidfd(os::own_pid());
  std::vector<unique_fd> fds;
  const family_answer answer = ask(s, {family_request::verb::join, 0, 0}, self.get(), doing, fds);
  if (fds.size() < 2) throw os_error(doing, "recvmsg", EMFILE);
  if (!table) {
    s.table = os::mapping(fds[0].get(), 0, sizeof(family_table), os::access::read);
    const auto* mapped = reinterpret_cast<const family_table*>(s.table.data());
    if (mapped->light_publication != 0 && !os::register_for_heavy_barrier())
      throw error("kin: membarrier(2) is refused in this process, but not in the root of its family");
    table = mapped;
  }
  s.first_holds = map_holds(fds[1].get(), answer);
  s.me = {answer.member, answer.generation};
}

}  // namespace

void register_fork_hooks() { the(); }

int link() {
  state& s = the();
  const std::lock_guard hold(s.mutex);
  if (!s.root && !s.link) make_root(s);
  return s.root ? s.root->link() : s.link.get();
}

void attach(unique_fd link) {
  state& s = the();
  const std::lock_guard hold(s.mutex);
  os::set_close_on_exec(link.get());
  s.link = std::move(link);
  s.link_file = os::file_behind(s.link.get());
}

claim join() {
  state& s = the();
  {
    const std::lock_guard hold(s.mutex);
    become_member(s);
    slot.take(s);
    this_thread = make_claim(s.me.generation, s.me.member, slot.number());
  }
  hold_what_was_forked();
  return this_thread;
}

claim own_process() noexcept {
  state& s = the();
  const std::lock_guard hold(s.mutex);
  return s.me.member == 0 ? 0 : process_of(make_claim(s.me.generation, s.me.member, 0));
}

std::span<std::atomic<hold_word>> more_holds(std::size_t count) {
  state& s = the();
  const std::lock_guard hold(s.mutex);
  become_member(s);
  if (!s.first_holds.empty()) return std::exchange(s.first_holds, {});
  if (s.root) {
    const std::lock_guard root(*s.root);
    return s.root->own_holds(s.me.member, count);
  }
  constexpr const char* doing = "share objects with other processes";
  std::vector<unique_fd> fds;
  const family_answer answer = ask(s, {family_request::verb::holds, s.me.member, count}, -1, doing, fds);
  if (fds.empty()) throw os_error(doing, "recvmsg", EMFILE);
  return map_holds(fds[0].get(), answer);
}

bool tell_given_up(std::span<const hold_word> words, bool at_once) noexcept {
  state& s = the();
  const std::lock_guard hold(s.mutex);
  if (s.root) {
    const std::lock_guard root(*s.root);
    s.root->suspect(words, at_once ? supervisor::urgency::at_once : supervisor::urgency::with_others);
    return true;
  }
  if (!has_its_link(s)) return false;
  static_assert(most_told == most_given_up);
  family_request request{family_request::verb::gave_up, s.me.member, words.size(), {}, at_once ? 1U : 0U};
  std::memcpy(request.name, words.data(), words.size_bytes());
  try {
    return os::send_packet(s.link.get(), std::as_bytes(std::span(&request, 1)), {}, os::packet_wait::no);
  } catch (const os_error&) {
    return false;
  }
}

void learn_of_deaths() noexcept {
  state& s = the();
  const std::lock_guard hold(s.mutex);
  if (s.me.member == 0) return;  // whoever becomes one later is told of deaths first
  try {
    if (s.root) {
      const std::lock_guard root(*s.root);
      return s.root->bury_dead();
    }
    std::vector<unique_fd> fds;
    ask(s, {family_request::verb::deaths, s.me.member, 0}, -1, "learn of a death", fds);
  } catch (const std::exception&) {
  }
}

unique_fd take_flag(std::uint64_t object) {
  (void)self();
  state& s = the();
  const std::lock_guard hold(s.mutex);
  if (s.root) {
    const std::lock_guard guard(*s.root);
    return os::duplicate(s.root->take_flag(object, s.me.member));
  }
  constexpr const char* doing = "poll an object";
  std::vector<unique_fd> fds;
  ask(s, {family_request::verb::flag, s.me.member, object}, -1, doing, fds);
  if (fds.empty()) throw os_error(doing, "recvmsg", EMFILE);
  return std::move(fds[0]);
}

void leave_flag(std::uint64_t object) noexcept {
  state& s = the();
  const std::lock_guard hold(s.mutex);
  if (s.root) {
    const std::lock_guard guard(*s.root);
    s.root->leave_flag(object, s.me.member);
    return;
  }
  try {
    std::vector<unique_fd> fds;
    ask(s, {family_request::verb::leave_flag, s.me.member, object}, -1, "stop polling an object", fds);
  } catch (const std::exception&) {
    // The root is gone, or keeps it until this process ends.
  }
}

}  // namespace kin::detail::family
