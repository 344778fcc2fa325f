// SPDX-License-Identifier: BSL-1.0
// task_work: see the header.
#include <kin/pool/task_work.hpp>

namespace kin::detail {

local_job::~local_job() = default;

std::string task_label::text() const {
  if (type_ == nullptr) return given_;
  const call_descriptor nameless{call_mark, nullptr, 0, type_, is_function_, nullptr, nullptr};
  return name_of_call(nameless, function_);
}

}  // namespace kin::detail
