// SPDX-License-Identifier: BSL-1.0
// task_place: see the header. A request begins with u64 type hash, u16 size and bytes of the place (wire/call.cpp).
#include "wire/task_place.hpp"

#include <cstdint>
#include <cstring>

#include <kin/core/error.hpp>
#include <kin/wire/call.hpp>

#include "wire/module.hpp"

namespace kin::detail {

std::string_view task_place(std::span<const std::byte> request) {
  constexpr std::size_t head = sizeof(std::uint64_t) + sizeof(std::uint16_t);
  std::uint16_t size = 0;
  if (request.size() >= head) std::memcpy(&size, request.data() + sizeof(std::uint64_t), sizeof size);
  if (request.size() < head + size) throw decode_error("kin: damaged request: it names no task");
  return {reinterpret_cast<const char*>(request.data()) + head, size};
}

bool lives_in_executable(std::string_view place) { return module_path(place).empty(); }

void load_task(std::string_view place) { (void)decode_place(place, sizeof(call_descriptor), os::segment::data); }

}  // namespace kin::detail
