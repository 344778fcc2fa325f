// SPDX-License-Identifier: BSL-1.0
// incoming_call: from untrusted bytes to a task.
#include <kin/wire/incoming_call.hpp>

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <kin/core/error.hpp>

#include "os/loaded_module.hpp"
#include "wire/module.hpp"

namespace kin::detail {
namespace {

// The address lies inside a module, but may be any byte of it, also an ASan red zone.
__attribute__((no_sanitize("address"))) bool is_descriptor(const call_descriptor* place, std::uint64_t type_hash) {
  return place->mark == call_mark && place->self == place && place->type_hash == type_hash;
}

const call_descriptor* decode_descriptor(reader& in) {
  std::uint64_t hash = 0;
  std::uint16_t size = 0;
  in.raw(&hash, sizeof hash);
  in.raw(&size, sizeof size);
  const auto place = in.view(size);
  const auto* address = decode_place({reinterpret_cast<const char*>(place.data()), place.size()},
                                     sizeof(call_descriptor), os::segment::data);
  const auto* descriptor = static_cast<const call_descriptor*>(address);
  if (reinterpret_cast<std::uintptr_t>(address) % alignof(call_descriptor) != 0 || !is_descriptor(descriptor, hash))
    throw decode_error("kin: the address received is not the task it claims to be");
  return descriptor;
}

}  // namespace

incoming_call::incoming_call(parcel request)
    : request_(std::move(request)), in_(request_), descriptor_(decode_descriptor(in_)) {
  if (descriptor_->function_type != 0) {
    // A second reader looks ahead, and run() meets the same place again, then from the cache.
    std::vector<unique_fd> none;
    reader ahead(request_.view().last(in_.left()), none);
    function_ = decode_function(ahead, descriptor_->function_type);
  }
}

call_target find_call(std::span<const std::byte> head) {
  std::vector<unique_fd> none;
  reader in(head, none);
  call_target found{decode_descriptor(in), nullptr};
  if (in.left() > 0) {
    if (found.descriptor->function_type == 0)
      throw decode_error("kin: damaged request: a function for a task that has none");
    found.function = decode_function(in, found.descriptor->function_type);
  }
  in.finish();
  return found;
}

std::string_view incoming_call::name() const {
  if (!name_.empty()) return name_;
  if (function_ == nullptr && descriptor_->function_type != 0) try {
      std::vector<unique_fd> none;
      reader again(rest_, none);
      function_ = decode_function(again, descriptor_->function_type);
    } catch (const error&) {
      // damaged, which run() has found, too
    }
  return name_ = name_of_call(*descriptor_, function_);
}

void incoming_call::run(writer& result) { descriptor_->run(in_, result, phase_, known_function_); }

}  // namespace kin::detail
