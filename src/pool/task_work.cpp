// SPDX-License-Identifier: BSL-1.0
// task_work: see the header.
#include <kin/pool/task_work.hpp>

#include <utility>

namespace kin::detail {

local_job::~local_job() = default;

passengers take_carried(task_work& work) noexcept {
  if (auto* const written = std::get_if<written_request>(&work)) return written->out->take_carried();
  if (auto* const request = std::get_if<parcel>(&work)) return std::exchange(request->carried, {});
  return {};
}

parcel take_request(task_work& work) {
  if (const auto* const small = std::get_if<small_request>(&work)) {
    writer whole;
    encode_head(whole, small->head);
    whole.raw(small->bytes.data(), small->size);
    return whole.take();
  }
  if (auto* const written = std::get_if<written_request>(&work)) return written->out->take();
  return std::move(std::get<parcel>(work));
}

std::string task_label::text() const {
  if (type_ == nullptr) return "a task";
  const call_descriptor nameless{call_mark, nullptr, 0, type_, is_function_, nullptr, nullptr};
  return name_of_call(nameless, function_);
}

}  // namespace kin::detail
