// SPDX-License-Identifier: BSL-1.0
// family: its memory, which is the root's: windows of the arena as this process has them mapped, pieces of them, spans.
// See family.hpp.
#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <utility>
#include <vector>

#include <kin/core/error.hpp>
#include <kin/os/duplicate.hpp>

#include "memory/arena.hpp"
#include "memory/family_state.hpp"
#include "memory/object_header.hpp"

namespace kin::detail::family {
namespace {

// Not of the state: as zeroes that nobody has touched they cost a child nothing, where made by `new` they were 32
// pages.
constinit std::array<std::atomic<std::byte*>, arena::windows> windows{};

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
  const std::string name = request.name;
  const std::string doing =
      name.empty() ? "share memory" : (request.size == 0 ? "open" : "make") + (" shared memory " + name);
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
      answer = ask(s, request, -1, doing.c_str(), fds);
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

}  // namespace kin::detail::family
