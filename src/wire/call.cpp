// SPDX-License-Identifier: BSL-1.0
// call: identities of tasks on their way out.
#include <kin/wire/call.hpp>

#include <array>
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

namespace {

// The last function of the executable that this thread has sent or received, as it is written: the executable is never
// unloaded. Finding it anew takes longer than a short task.
struct known_function {  // nothing to destroy: exit handlers may still use it
  const void* function;
  std::uint64_t type;
  std::size_t size;
  std::array<char, 64> bytes;

  [[nodiscard]] std::string_view text() const noexcept { return {bytes.data(), size}; }
  void set(const void* f, std::uint64_t its_type, std::string_view place, std::string_view whole) {
    if (whole.size() > bytes.size() || !module_path(place).empty()) return;
    function = f;
    type = its_type;
    size = whole.copy(bytes.data(), whole.size());
  }
};
thread_local constinit known_function last_sent{}, last_received{};

}  // namespace

void encode_function(writer& out, const void* function, std::uint64_t type) {
  if (function == nullptr) throw encode_error("kin: a null function pointer cannot be sent to another process");
  if (last_sent.function == function && last_sent.type == type) {
    out.raw(last_sent.bytes.data(), last_sent.size);
    return;
  }
  const auto place = encode_place(function, os::segment::code, "function pointer");
  const auto check = checksum(place, type);
  const auto size = size_of(place);
  std::string bytes(reinterpret_cast<const char*>(&check), sizeof check);
  bytes.append(reinterpret_cast<const char*>(&size), sizeof size);
  bytes += place;
  out.raw(bytes.data(), bytes.size());
  last_sent.set(function, type, place, bytes);
}

void encode_head(writer& out, const call_head& head) {
  encode_descriptor(out, *head.descriptor);
  if (head.descriptor->function_type != 0) encode_function(out, head.function, head.descriptor->function_type);
}

const void* decode_function(reader& in, std::uint64_t type) {
  constexpr std::size_t head_size = sizeof(std::uint64_t) + sizeof(std::uint16_t);
  const auto head = in.view(head_size);
  std::uint64_t check = 0;
  std::uint16_t size = 0;
  std::memcpy(&check, head.data(), sizeof check);
  std::memcpy(&size, head.data() + sizeof check, sizeof size);
  (void)in.view(size);  // right behind the head
  const std::string_view whole(reinterpret_cast<const char*>(head.data()), head_size + size),
      place(whole.substr(head_size));
  if (last_received.function != nullptr && last_received.type == type && last_received.text() == whole)
    return last_received.function;
  if (check != checksum(place, type))
    throw decode_error("kin: damaged request: a function pointer, or one of another type");
  const void* const function = decode_place(place, 1, os::segment::code);
  last_received.set(function, type, place, whole);
  return function;
}

}  // namespace kin::detail
