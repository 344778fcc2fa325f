// SPDX-License-Identifier: BSL-1.0
// module: see the header.
#include "wire/module.hpp"

#include <array>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>

#include <kin/core/error.hpp>

#include "os/fork_hooks.hpp"

namespace kin::detail {
namespace {

using answer = os::place_lookup::answer;

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    std::array<char, 3> digits{};
    std::snprintf(digits.data(), digits.size(), "%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
    text += digits.data();
  }
  return text;
}

std::string readable(const os::module_place& place) { return place.path.empty() ? "the executable" : place.path; }

std::string not_same_build(const os::module_place& place, std::string_view other) {
  return "kin: " + readable(place) + " is not the same build in parent and child (parent " + hex(place.identity) +
         ", child " + hex(other) + "); was it replaced or upgraded while the program was running?" +
         (place.path.empty() ? " (Or the child is kin-worker, which cannot run what lives in the program itself.)"
                             : "");
}

/// Takes the fields of a place apart; everything is checked against what is left.
os::module_place parse(std::string_view bytes) {
  const auto take = [&bytes](std::size_t size) {
    if (bytes.size() < size) throw decode_error("kin: damaged request: the place of the task is truncated");
    const auto part = bytes.substr(0, size);
    bytes.remove_prefix(size);
    return part;
  };
  const auto number = [&take]<class Integer>(Integer value) {
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  };
  os::module_place place;
  place.identity = take(number(std::uint8_t{}));
  place.path = take(number(std::uint16_t{}));
  place.offset = number(std::uint64_t{});
  if (!bytes.empty()) throw decode_error("kin: damaged request: bytes are left over after the place of the task");
  if (place.identity.empty() || place.path.find('\0') != std::string::npos ||
      (!place.path.empty() && place.path[0] != '/'))
    throw decode_error("kin: damaged request: the place of the task names no module");
  return place;
}

/// Loads the module of a place, after its file has shown to be the same build: the constructors of a wrong one never
/// run.
void load(const os::module_place& place) {
  const std::string lives_in = "kin: the task lives in " + readable(place) + " (build-id " + hex(place.identity) +
                               "), which the child could not load: ";
  if (place.path.empty())
    throw decode_error("kin: the task lives in an executable that is not this program (build-id " +
                       hex(place.identity) + ")");
  const auto on_disk = os::file_identity(place.path);
  if (!on_disk.empty() && on_disk != place.identity) throw decode_error(not_same_build(place, on_disk));
  if (const auto complaint = os::load_module(place.path); !complaint.empty()) throw decode_error(lives_in + complaint);
}

const void* find(const os::module_place& place, std::size_t size, os::segment use) {
  auto found = os::look_up(place, size, use);
  if (found.status == answer::not_loaded) {
    load(place);
    found = os::look_up(place, size, use);
  }
  if (found.status == answer::found) return found.address;
  if (found.status == answer::other_build) throw decode_error(not_same_build(place, found.other_identity));
  throw decode_error("kin: refused address " + readable(place) + "+" + std::to_string(place.offset) +
                     (found.status == answer::outside_segments ? ": it is outside the module's segments of this kind"
                                                               : ": the module was loaded and is not there"));
}

/// Answers found earlier, valid as long as no module is unloaded. Bounded: hostile requests must not fill memory.
template <class Key, class Value>
class cache {
 public:
  /// Copies the value for `key` into `value`. `unloads` is os::unload_count() now.
  template <class K>
  bool get(const K& key, Value& value, std::uint64_t unloads) {
    const std::lock_guard hold(os::whole_over_fork);
    if (unloads != unloads_) return false;
    const auto found = known_.find(key);
    if (found == known_.end()) return false;
    value = found->second;
    return true;
  }
  /// `unloads` is os::unload_count() from before the value was found.
  void put(Key key, Value value, std::uint64_t unloads) {
    const std::lock_guard hold(os::whole_over_fork);
    if (unloads != unloads_ || known_.size() >= most) known_.clear();
    unloads_ = unloads;
    known_.insert_or_assign(std::move(key), std::move(value));
  }

 private:
  static constexpr std::size_t most = 4096;
  std::uint64_t unloads_ = 0;
  std::map<Key, Value, std::less<>> known_;
};

/// Never destroyed: threads may still submit tasks while static objects are.
auto& places_of_functions() {
  static auto& instance = *new cache<const void*, std::string>;
  return instance;
}
/// One map for each use: all callers ask for the same size within one.
auto& addresses_of(os::segment use) {
  static auto& data = *new cache<std::string, const void*>;
  static auto& code = *new cache<std::string, const void*>;
  return use == os::segment::code ? code : data;
}

template <class Integer>
void append(std::string& bytes, Integer value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

std::string encode_place(const void* address, os::segment use, const char* what) {
  std::string bytes;
  std::uint64_t unloads = 0;
  auto place = os::find_place_in_executable(address);
  const bool may_go = !place;  // with its module
  if (may_go) {
    unloads = os::unload_count();
    if (use == os::segment::code && places_of_functions().get(address, bytes, unloads)) return bytes;
    place = os::find_place(address);
  }
  if (!place) {
    std::array<char, 32> number{};
    std::snprintf(number.data(), number.size(), "0x%" PRIxPTR, reinterpret_cast<std::uintptr_t>(address));
    throw encode_error(std::string("kin: ") + what + " " + number.data() +
                       " is in no loaded module (JIT code, unloaded plugin, or data on the heap); it cannot be sent to "
                       "another process");
  }
  if (use == os::segment::code && !place->is_code)
    throw encode_error(std::string("kin: ") + what + " does not point to code");
  if (place->identity.size() > UINT8_MAX || place->path.size() > UINT16_MAX)
    throw encode_error(std::string("kin: the path or build-id of the module that holds ") + what + " is too long");
  append(bytes, static_cast<std::uint8_t>(place->identity.size()));
  bytes += place->identity;
  append(bytes, static_cast<std::uint16_t>(place->path.size()));
  bytes += place->path;
  append(bytes, place->offset);
  if (may_go && use == os::segment::code) places_of_functions().put(address, bytes, unloads);
  return bytes;
}

const void* decode_place(std::string_view bytes, std::size_t size, os::segment use) {
  // The last place in the executable, which is never unloaded: most requests name the same one again and again.
  struct known_place {  // nothing to destroy: exit handlers may still use it
    const void* address;
    std::size_t size;
    std::array<char, 64> bytes;
  };
  thread_local constinit known_place last_data{}, last_code{};
  known_place& last = use == os::segment::code ? last_code : last_data;
  if (last.address != nullptr && std::string_view(last.bytes.data(), last.size) == bytes) return last.address;

  const auto place = parse(bytes);
  if (place.path.empty()) {
    const void* const address = find(place, size, use);
    if (bytes.size() <= last.bytes.size()) {
      last.address = address;
      last.size = bytes.copy(last.bytes.data(), bytes.size());
    }
    return address;
  }
  const void* address = nullptr;
  const auto unloads = os::unload_count();
  auto& known = addresses_of(use);
  if (!known.get(bytes, address, unloads)) {
    address = find(place, size, use);
    known.put(std::string(bytes), address, unloads);
  }
  return address;
}

void prepare_places_for_fork() {
  (void)places_of_functions();
  for (const auto use : {os::segment::data, os::segment::code}) (void)addresses_of(use);
  os::prepare_modules_for_fork();
}

std::string module_path(std::string_view place) { return parse(place).path; }

}  // namespace kin::detail
