// SPDX-License-Identifier: BSL-1.0
// family: see the header.
#include "memory/family.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include <kin/core/error.hpp>
#include <kin/os/duplicate.hpp>

#include "memory/fork_hooks.hpp"
#include "memory/object_header.hpp"
#include "memory/piece_store.hpp"
#include "memory/supervisor.hpp"
#include "os/descriptor_flags.hpp"
#include "os/fork_hooks.hpp"
#include "os/memory_barrier.hpp"
#include "os/memory_file.hpp"
#include "os/pidfd.hpp"
#include "os/process_id.hpp"

namespace kin::detail::family {

thread_local constinit claim this_thread = 0;
const family_table* table = nullptr;

namespace {

// Not of the state: as zeroes that nobody has touched they cost a child nothing, where made by `new` they were 32
// pages.
constinit std::array<std::atomic<std::byte*>, arena::windows> windows{};

struct state {
  std::mutex mutex;
  unique_fd link;              // a member's; the root's is the supervisor's
  supervisor* root = nullptr;  // in the root only; never destroyed, like its thread
  os::mapping table;           // a member's; the root's is the supervisor's
  membership me;
  piece_store pieces;
  std::span<std::atomic<hold_word>> first_holds;  // that came with the membership
  std::vector<std::uint32_t> free_threads;
  std::uint32_t next_thread = 0;
};

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

class thread_slot {
 public:
  void take(state& s) {
    if (owner_ == os::own_pid()) return;
    if (!s.free_threads.empty()) {
      number_ = s.free_threads.back();
      s.free_threads.pop_back();
    } else {
      if (s.next_thread == 0xffff) throw os_error("use shared objects in more than 65535 threads", "join", EAGAIN);
      number_ = s.next_thread++;
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

// One question to the root, in a member.
family_answer ask(state& s, const family_request& request, int extra_fd, const char* doing,
                  std::vector<unique_fd>& fds) {
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

// This process alone has them, and not the copies that it forks.
std::span<std::atomic<hold_word>> map_holds(int file, const family_answer& where) {
  os::mapping words(file, where.offset, where.size, os::access::write);
  words.keep_from_copies();
  return {reinterpret_cast<std::atomic<hold_word>*>(std::move(words).release()), where.size / sizeof(hold_word)};
}

void make_root(state& s) {
  s.root = new supervisor;  // throws before anything is kept
  table = s.root->table();
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

std::byte* map_window(state& s, std::size_t number) {
  if (std::byte* known = windows[number].load(std::memory_order_acquire)) return known;
  std::byte* mapped = nullptr;
  if (s.root) {
    const std::lock_guard hold(*s.root);
    mapped = s.root->window(number);
  } else {
    constexpr const char* doing = "map shared memory";
    std::vector<unique_fd> fds;
    ask(s, {family_request::verb::window, s.me.member, number}, -1, doing, fds);
    if (fds.empty()) throw os_error(doing, "recvmsg", EMFILE);
    os::mapping window(fds[0].get(), number * arena::window_size, arena::window_size, os::access::write);
    mapped = std::move(window).release();  // for as long as the process lives
  }
  windows[number].store(mapped, std::memory_order_release);
  return mapped;
}

family_answer ask_for_chunk(state& s, std::size_t size, std::size_t stride, span_owner owner) {
  family_request request{family_request::verb::chunk, s.me.member, size << 32 | stride, owner};
  if (s.root) {
    const std::lock_guard hold(*s.root);
    family_answer reply{};
    s.root->answer_about_chunk(request, reply);
    return reply;
  }
  // The memory is the root's, but a limit is meant for who lets it grow.
  os::check_file_size_limit(table->arena_end.load() + size);
  std::vector<unique_fd> fds;
  return ask(s, request, -1, "allocate shared memory", fds);
}

std::byte* piece_at(state& s, std::uint64_t offset) {
  return map_window(s, offset / arena::window_size) + offset % arena::window_size;
}

class pieces_of_root final : public piece_store::source {
 public:
  explicit pieces_of_root(state& s) : state_(s) {}
  std::byte* at(std::uint64_t offset) override { return piece_at(state_, offset); }
  family_answer chunk(std::size_t size, std::size_t stride) override { return ask_for_chunk(state_, size, stride, {}); }
  std::size_t take_freed(std::size_t stride, std::span<std::uint64_t> into) noexcept override {
    if (!state_.root) return 0;
    const std::lock_guard hold(*state_.root);
    return state_.root->take_freed(state_.me.member, stride, into);
  }

 private:
  state& state_;
};

mapped_span ask_for_span(family_request request, std::size_t allocate) {
  constexpr const char* doing = "share memory";
  (void)self();
  state& s = the();
  std::vector<unique_fd> fds;
  family_answer answer{};
  {
    const std::lock_guard hold(s.mutex);
    request.member = s.me.member;
    if (s.root) {
      const std::lock_guard root(*s.root);
      std::vector<int> borrowed;
      answer = s.root->answer_about_spans(request, borrowed);
      if (!borrowed.empty()) fds.push_back(os::duplicate(borrowed[0]));
    } else {
      answer = ask(s, request, -1, doing, fds);
    }
  }
  if (request.what == family_request::verb::keep_span || request.what == family_request::verb::forget_name) return {};
  if (fds.empty()) throw os_error(doing, "recvmsg", EMFILE);
  const int file = fds[0].get();
  try {
    // Here and not in the root: it takes time, and the root may be under other limits.
    if (allocate != 0) os::allocate_memory(file, answer.offset, answer.size);
    if (answer.size == 0) return {answer.number, {}};
    return {answer.number, os::mapping(file, answer.offset, answer.size, os::access::write)};
  } catch (const os_error&) {
    if (allocate != 0) keep_span(request.owner, request.number);
    throw;
  }
}

family_request about(family_request::verb what, span_owner owner, std::uint64_t number, const std::string& name = {}) {
  family_request request{};
  request.what = what;
  request.owner = owner;
  request.number = number;
  name.copy(request.name, sizeof request.name - 1);
  return request;
}

}  // namespace

void register_fork_hooks() { the(); }

mapped_span make_span(span_owner owner, std::size_t size, std::uint64_t kept, const std::string& name) {
  family_request request = about(family_request::verb::make_span, owner, kept, name);
  request.size = size;
  return ask_for_span(request, size);
}

mapped_span open_named_span(span_owner owner, const std::string& name) {
  return ask_for_span(about(family_request::verb::make_span, owner, 0, name), 0);
}

mapped_span open_span(span_owner owner, std::uint64_t number) {
  try {
    return ask_for_span(about(family_request::verb::open_span, owner, number), 0);
  } catch (const os_error& e) {
    if (e.code().value() != ENOENT) throw;
    throw decode_error("kin: a handle to shared memory that does not exist (any more)");
  }
}

void keep_span(span_owner owner, std::uint64_t kept) noexcept {
  try {
    ask_for_span(about(family_request::verb::keep_span, owner, kept), 0);
  } catch (const std::exception&) {
    // The root has ended, and its spans with it; or they are freed with their owner.
  }
}

void forget_name(const std::string& name) noexcept {
  try {
    ask_for_span(about(family_request::verb::forget_name, {}, 0, name), 0);
  } catch (const std::exception&) {
    // The root has ended: it removes nothing any more.
  }
}

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

piece allocate(std::size_t size) {
  (void)self();
  state& s = the();
  const std::lock_guard hold(s.mutex);
  pieces_of_root root(s);
  const std::uint64_t offset = s.pieces.allocate((size + granule - 1) / granule * granule, root);
  return {offset, piece_at(s, offset)};
}

piece allocate_part(span_owner object, std::size_t size) {
  (void)self();
  state& s = the();
  const std::lock_guard hold(s.mutex);
  const std::uint64_t offset = ask_for_chunk(s, size, size, object).offset;
  s.pieces.given_away(offset);
  return {offset, piece_at(s, offset)};
}

void release(std::uint64_t offset, std::size_t size) noexcept {
  state& s = the();
  const std::lock_guard hold(s.mutex);
  s.pieces.release(offset, size);
}

void leave_to_root(std::uint64_t offset) noexcept {
  state& s = the();
  const std::lock_guard hold(s.mutex);
  s.pieces.leave_to_root(offset);
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
  static_assert(most_told == most_given_up);
  family_request request{family_request::verb::gave_up, s.me.member, words.size(), {}, at_once ? 1U : 0U};
  std::memcpy(request.name, words.data(), words.size_bytes());
  try {
    return os::send_packet(s.link.get(), std::as_bytes(std::span(&request, 1)), {}, os::packet_wait::no);
  } catch (const os_error&) {
    return false;
  }
}

std::byte* at(std::uint64_t offset, std::size_t size) {
  (void)self();
  const std::uint64_t end = table->arena_end.load(std::memory_order_acquire);
  if (offset > end || size > end - offset || offset % arena::window_size + size > arena::window_size ||
      offset % granule != 0 || size % granule != 0 || !table->may_begin(offset / granule, size / granule))
    return nullptr;
  state& s = the();
  const std::size_t number = offset / arena::window_size;
  std::byte* window = windows[number].load(std::memory_order_acquire);
  if (!window) {
    const std::lock_guard hold(s.mutex);
    window = map_window(s, number);
  }
  return window + offset % arena::window_size;
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
