// SPDX-License-Identifier: BSL-1.0
// array, shared_memory: see the headers. What is small lies in the object itself, among others of its size; what is
// large in a span of its own. Length and place are read from shared memory once, and checked against what the root
// says.
#include <kin/shared/array.hpp>
#include <kin/shared/shared_memory.hpp>

#include <atomic>
#include <stdexcept>

#include <kin/wire/codec.hpp>

#include "memory/family.hpp"
#include "memory/object_header.hpp"
#include "os/named_memory.hpp"

namespace kin {
namespace detail {
namespace {

struct elements_object : object_header {
  std::atomic<std::uint64_t> count, element_size;
  std::atomic<std::uint64_t> span;  // 0: the elements lie in the object
};
struct memory_object : elements_object {
  char name[208];  // or empty
};
constexpr std::size_t inside = 128;        // where elements begin that lie in the object
constexpr std::size_t most_inside = 4096;  // bytes of such an object
constexpr std::size_t most_aligned = 64;   // an object's own alignment
static_assert(sizeof(elements_object) <= inside && inside % most_aligned == 0);

elements_object& object_of(const object_ref& ref) noexcept { return *static_cast<elements_object*>(ref.get()); }
memory_object& memory_of(const object_ref& ref) noexcept { return *static_cast<memory_object*>(ref.get()); }
std::byte* inside_of(const object_ref& ref) noexcept { return reinterpret_cast<std::byte*>(ref.get()) + inside; }

shared_elements in_span(const object_ref& ref, object_ref::span span, std::size_t count) {
  const auto kept = std::make_shared<object_ref::span>(std::move(span));
  // Of several threads that decode it at once one has mapped it for all.
  std::byte* const data = std::static_pointer_cast<object_ref::span>(ref.keep_beside(kept))->data;
  return {{ref, data}, count};
}

// In a span.
shared_elements make_elements(const object_ref& ref, std::size_t count, std::size_t element_size,
                              const std::string& name) {
  elements_object& object = object_of(ref);
  object.count.store(count);
  object.element_size.store(element_size);
  if (count == 0) return {{ref, nullptr}, 0};
  auto span = ref.make_span(count * element_size, 0, name);
  object.span.store(span.number);
  return in_span(ref, std::move(span), count);
}

shared_elements decode_elements(const object_ref& ref, std::size_t element_size, std::size_t alignment) {
  const elements_object& object = object_of(ref);
  const std::uint64_t count = object.count.load(), number = object.span.load();
  const auto check_room = [&](std::size_t room) {
    if (object.element_size.load() != element_size || count > room / element_size)
      throw decode_error("kin: a handle to an array of other elements");
  };
  if (number == 0) {
    if (count == 0) return {{ref, nullptr}, 0};
    check_room(ref.size() < inside || alignment > most_aligned ? 0 : ref.size() - inside);
    std::byte* data = inside_of(ref);
    return {{ref, data}, count};
  }
  auto known = std::static_pointer_cast<object_ref::span>(ref.keep_beside(nullptr));
  object_ref::span span = known && known->number == number ? *known : ref.open_span(number);
  check_room(span.size);
  return in_span(ref, std::move(span), count);
}

}  // namespace

shared_elements make_array(std::size_t count, std::size_t element_size, std::size_t alignment) {
  const std::size_t bytes = count * element_size;
  if (bytes > most_inside - inside || alignment > most_aligned)
    return make_elements(object_ref::make(object_kind::array, sizeof(elements_object)), count, element_size, {});
  const object_ref ref = object_ref::make(object_kind::array, inside + bytes);
  elements_object& object = object_of(ref);
  object.count.store(count);
  object.element_size.store(element_size);
  std::byte* data = inside_of(ref);
  return {{ref, data}, count};
}
shared_elements decode_array(reader& from, std::size_t element_size, std::size_t alignment) {
  return decode_elements(object_ref::decode(from, object_kind::array, sizeof(elements_object)), element_size,
                         alignment);
}
void throw_array_too_long() { throw std::length_error("kin: an array longer than max_size()"); }
void throw_no_such_element() { throw std::out_of_range("kin: an index beyond the end of an array"); }

}  // namespace detail

using detail::object_kind;

shared_memory::shared_memory(count size, shared_memory_options options)
    : object_([&] {
        if (!options.name.empty()) {
          options.name = os::memory_name(options.name);
          if (size == 0) throw std::invalid_argument("kin: named shared memory of no size");
        }
        auto ref = detail::object_ref::make(object_kind::shared_memory, sizeof(detail::memory_object));
        options.name.copy(detail::memory_of(ref).name, sizeof(detail::memory_object::name) - 1);
        return detail::make_elements(ref, size, 1, options.name);
      }()) {}

shared_memory shared_memory::open(const std::string& name) {
  const std::string whole = os::memory_name(name);
  auto ref = detail::object_ref::make(object_kind::shared_memory, sizeof(detail::memory_object));
  detail::memory_object& object = detail::memory_of(ref);
  auto span = ref.open_named_span(whole);
  const std::size_t size = span.size;
  object.count.store(size);
  object.element_size.store(1);
  whole.copy(object.name, sizeof object.name - 1);
  object.span.store(span.number);
  return shared_memory(detail::in_span(ref, std::move(span), size));
}

bool shared_memory::unlink(const std::string& name) {
  if (name.empty()) return false;
  const std::string whole = os::memory_name(name);
  if (!os::unlink_named_memory(whole)) return false;
  detail::family::forget_name(whole);
  return true;
}

std::string shared_memory::name() const {
  const auto& object = detail::memory_of(object_.ref);
  const std::string whole(object.name, strnlen(object.name, sizeof object.name));
  return whole.starts_with('/') ? whole.substr(1) : whole;
}

void codec<shared_memory>::encode(writer& to, const shared_memory& memory) { memory.object_.ref.encode(to); }
shared_memory codec<shared_memory>::decode(reader& from) {
  return shared_memory(detail::decode_elements(
      detail::object_ref::decode(from, object_kind::shared_memory, sizeof(detail::memory_object)), 1, 1));
}

}  // namespace kin
