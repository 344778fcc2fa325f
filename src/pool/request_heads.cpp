// SPDX-License-Identifier: BSL-1.0
// request_heads: a request begins with what is called, which takes more bytes than most arguments, and is the same for
// many tasks. A pool knows the heads of small ones by number, so that a worker finds what they name once, and a task in
// its lane is little more than its arguments.
#include <cstring>

#include "pool/pool_core.hpp"
#include "wire/task_place.hpp"

namespace kin::detail {
namespace {

// A function's place is written like a task's (wire/call.cpp).
bool is_of_the_executable(const call_head& head, std::span<const std::byte> bytes) {
  const auto place = task_place(bytes);
  if (!lives_in_executable(place)) return false;
  if (head.function == nullptr) return true;
  const auto behind = reinterpret_cast<const std::byte*>(place.data()) + place.size();
  return lives_in_executable(task_place(bytes.subspan(static_cast<std::size_t>(behind - bytes.data()))));
}

}  // namespace

// What a task needs for its request, should that turn out to be small.
std::size_t pool_core::small_room(const task_work& work) noexcept {
  if (const auto* const small = std::get_if<small_request>(&work)) return small->size;
  const auto* const written = std::get_if<written_request>(&work);
  if (written == nullptr || written->out->has_descriptors() || written->head.descriptor == nullptr) return 0;
  const std::size_t rest = written->out->written() - written->head.size;
  return near_lane::fits(rest) ? rest : 0;
}

void pool_core::keep_request(task& t, task_work& work) {
  const auto keep_small = [&t](std::size_t head, std::span<const std::byte> rest) {
    t.head = static_cast<std::uint8_t>(head);
    t.set_rest(rest);
  };
  static_assert(near_lane::fits(small_request::most_bytes));
  if (const auto* const small = std::get_if<small_request>(&work))
    if (const auto head = head_number(small->head)) return keep_small(*head, small->text());
  if (const auto* const written = std::get_if<written_request>(&work)) {
    const auto all = written->out->view();
    const std::size_t head_size = written->head.size;
    if (!written->out->has_descriptors() && written->head.descriptor != nullptr &&
        near_lane::fits(all.size() - head_size)) {
      if (const auto head = head_number(written->head, all.first(head_size)))
        return keep_small(*head, all.subspan(head_size));
    }
  }
  t.set_request(take_request(work));
}

std::optional<std::size_t> pool_core::known_head(const call_head& head) noexcept {
  const auto is_it = [&](const request_head& known) {
    return known.descriptor == head.descriptor && known.function == head.function;
  };
  if (last_head_ < heads_.size() && is_it(heads_[last_head_])) return last_head_;
  for (std::size_t i = 0; i < heads_.size(); ++i)
    if (is_it(heads_[i])) return last_head_ = i;
  return std::nullopt;
}

std::optional<std::size_t> pool_core::head_number(const call_head& head) {
  if (const auto known = known_head(head)) return known;
  if (heads_.size() == most_heads) return std::nullopt;
  writer text;
  encode_head(text, head);
  return head_number(head, text.view());
}

// None for what a plugin has: it may be unloaded, and another one may be at its address.
std::optional<std::size_t> pool_core::head_number(const call_head& head, std::span<const std::byte> bytes) {
  if (const auto known = known_head(head)) return known;
  if (heads_.size() == most_heads || bytes.size() > near_lane::most_head || !is_of_the_executable(head, bytes))
    return std::nullopt;
  request_head& fresh = heads_.emplace_back(request_head{head.descriptor, head.function, bytes.size(), {}});
  std::memcpy(fresh.bytes.data(), bytes.data(), bytes.size());
  return last_head_ = heads_.size() - 1;
}

parcel pool_core::whole_request(task& t) const {
  if (parcel* const all = t.request()) return std::move(*all);
  const auto head = heads_[t.head].text(), rest = t.rest();
  parcel whole;
  whole.bytes.reserve(head.size() + rest.size());
  whole.bytes.insert(whole.bytes.end(), head.begin(), head.end());
  whole.bytes.insert(whole.bytes.end(), rest.begin(), rest.end());
  return whole;
}

}  // namespace kin::detail
