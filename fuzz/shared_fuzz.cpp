// SPDX-License-Identifier: BSL-1.0
// shared_fuzz: whatever another process writes into the memory of a shared_dict or shared_list, and whenever, its
// methods answer or throw, and touch nothing else. The lock is left alone: a living holder is waited for. The input is
// a list of steps.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include <kin/core/error.hpp>
#include <kin/shared_dict.hpp>
#include <kin/shared_list.hpp>

#include "memory/family.hpp"
#include "sync/owned_lock.hpp"

#include "steps.hpp"

namespace {

using namespace kin::detail;
using kin_fuzz::step;

/// The words that another process can write to: the object's behind its lock, and those of a span.
class memory_of {
 public:
  explicit memory_of(const auto& handle) {
    const parcel bytes = encode(handle, delivery::lent);
    std::array<std::uint64_t, 4> parts;  // see object_ref::encode()
    if (bytes.bytes.size() != sizeof parts) __builtin_trap();
    std::memcpy(parts.data(), bytes.bytes.data(), sizeof parts);
    owner_ = {parts[1], parts[2]};
    size_ = parts[3] % (1 << 24);
    object_ = family::at(parts[1], size_);
  }
  void scribble(const step& s) const {
    const std::uint64_t number = word(sizeof(owned_lock)) >> 1;
    if (s.where % 4 == 0 && number != 0) {
      const family::mapped_span span = family::open_span(owner_, number);
      if (span.memory.size() == 0) return;
      auto* words = reinterpret_cast<std::uint64_t*>(span.memory.data());
      change(words[s.offset % ((s.where & 4) != 0 ? 16 : span.memory.size() / 8)], s);
    } else {
      constexpr std::size_t first = sizeof(owned_lock) / 8;
      const std::size_t most = (s.where & 4) != 0 ? 24 : size_ / 8 - first;
      change(word((first + s.offset % most) * 8), s);
    }
  }

 private:
  [[nodiscard]] std::uint64_t& word(std::size_t at) const { return *reinterpret_cast<std::uint64_t*>(object_ + at); }
  static void change(std::uint64_t& word, const step& s) {
    switch (s.size % 4) {
      case 0:
        word = s.value;
        break;
      case 1:
        word = (s.value >> 32) % 1024 << 32 | s.value % 1024;  // as blocks and counts look
        break;
      case 2:
        word += s.value % 64 - 32;
        break;
      default:
        word ^= std::uint64_t{1} << s.value % 64;
    }
  }
  span_owner owner_{};
  std::byte* object_ = nullptr;
  std::size_t size_ = 0;
};

void use(const kin::shared_dict<std::string, std::string>& dict, const step& s) {
  const std::string key = "key " + std::to_string(s.small % 16);
  switch (s.where % 8) {
    case 0:
    case 1:
      return dict.set(key, std::string(s.offset % (s.size % 8 == 0 ? 4000 : 100), 'v'));
    case 2:
      return (void)dict.get(key);
    case 3:
      return (void)dict.erase(key);
    case 4:
      return (void)dict.items();
    case 5:
      return (void)dict.popitem();
    case 6:
      return dict.update(key, [](std::string& text) { text += "more"; });
    default:
      return s.size % 16 == 0 ? dict.clear() : (void)dict.size();
  }
}
void use(const kin::shared_dict<int, long>& dict, const step& s) {
  switch (s.where % 4) {
    case 0:
      return dict.set(s.small, 5);
    case 1:
      return (void)dict.get(s.small);
    case 2:
      return (void)dict.erase(s.small);
    default:
      return (void)dict.items();
  }
}
void use(const kin::shared_list<std::string>& list, const step& s) {
  const std::string text(s.offset % (s.size % 8 == 0 ? 4000 : 100), 'v');
  switch (s.where % 8) {
    case 0:
    case 1:
      return list.push_back(text);
    case 2:
      return list.set(s.small % 16, text);
    case 3:
      return (void)list.pop_back();
    case 4:
      return (void)list.snapshot();
    case 5:
      return (void)list.at(s.small % 16);
    case 6:
      return list.erase(s.small % 16);
    default:
      return list.extend({text, text});
  }
}

template <class Container>
void run(const std::uint8_t* data, std::size_t size) {
  const Container container;
  const memory_of memory(container);
  kin_fuzz::each_step<step>(data, size, [&](const step& s) {
    try {
      if (s.what % 3 == 0)
        memory.scribble(s);
      else
        use(container, s);
    } catch (const kin::error&) {
    } catch (const std::logic_error&) {  // length_error, out_of_range
    }
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 4096) return 0;
  switch (data[0] % 3) {
    case 0:
      run<kin::shared_dict<std::string, std::string>>(data + 1, size - 1);
      break;
    case 1:
      run<kin::shared_dict<int, long>>(data + 1, size - 1);
      break;
    default:
      run<kin::shared_list<std::string>>(data + 1, size - 1);
  }
  return 0;
}
