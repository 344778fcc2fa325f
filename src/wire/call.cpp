// SPDX-License-Identifier: BSL-1.0
// call: identities of tasks on their way out.
#include <kin/wire/call.hpp>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "os/loaded_module.hpp"
#include "wire/module.hpp"
#include "wire/type_name.hpp"

namespace kin::detail {
namespace {

std::uint16_t size_of(const std::string& place) {
  if (place.size() > UINT16_MAX) throw encode_error("kin: the path of the module that holds the task is too long");
  return static_cast<std::uint16_t>(place.size());
}

/// u64 type hash, u16 size and bytes of the place.
std::unique_ptr<const std::string> encode_identity(const call_descriptor& descriptor) {
  const auto place = encode_place(&descriptor, os::segment::data, "the task at");
  const auto size = size_of(place);
  auto bytes = std::make_unique<std::string>();
  bytes->append(reinterpret_cast<const char*>(&descriptor.type_hash), sizeof descriptor.type_hash);
  bytes->append(reinterpret_cast<const char*>(&size), sizeof size);
  *bytes += place;
  return bytes;
}

std::uint64_t checksum(std::string_view place, std::uint64_t type) {
  std::uint64_t hash = type;
  for (const char c : place) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return hash;
}

}  // namespace

void encode_descriptor(writer& out, const call_descriptor& descriptor) {
  // Acquire pairs with the release of the exchange below, in whichever thread was first.
  const std::string* known = descriptor.encoded->load(std::memory_order_acquire);
  if (known == nullptr) {
    auto fresh = encode_identity(descriptor);
    if (descriptor.encoded->compare_exchange_strong(known, fresh.get(), std::memory_order_acq_rel))
      known = fresh.release();
  }
  out.raw(known->data(), known->size());
}

std::string name_of_call(const call_descriptor& descriptor, const void* function) {
  if (function != nullptr)
    if (const auto symbol = os::symbol_at(function); !symbol.empty()) return readable_name(symbol.c_str());
  return callee_name(*descriptor.callee);
}

// A function is u64 checksum of its place and type, u16 size and bytes of the place.

void encode_function(writer& out, const void* function, std::uint64_t type) {
  if (function == nullptr) throw encode_error("kin: a null function pointer cannot be sent to another process");
  const auto place = encode_place(function, os::segment::code, "function pointer");
  const auto check = checksum(place, type);
  const auto size = size_of(place);
  out.raw(&check, sizeof check);
  out.raw(&size, sizeof size);
  out.raw(place.data(), place.size());
}

const void* decode_function(reader& in, std::uint64_t type) {
  std::uint64_t check = 0;
  std::uint16_t size = 0;
  in.raw(&check, sizeof check);
  in.raw(&size, sizeof size);
  const auto bytes = in.view(size);
  const std::string_view place(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (check != checksum(place, type))
    throw decode_error("kin: damaged request: a function pointer, or one of another type");
  return decode_place(place, 1, os::segment::code);
}

}  // namespace kin::detail
