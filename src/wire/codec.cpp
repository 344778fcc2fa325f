// SPDX-License-Identifier: BSL-1.0
// codec: the parts of writer, reader and the rules that do not depend on the type.
#include <kin/wire/codec.hpp>

#include <algorithm>
#include <limits>
#include <unordered_map>

#include <kin/os/duplicate.hpp>

#include "os/huge_pages.hpp"
#include "wire/error_categories.hpp"
#include "wire/type_name.hpp"

namespace kin {

namespace detail {

void cannot_encode(const char* why) { throw encode_error(std::string("kin: cannot send this value: ") + why); }
void cannot_decode(const char* why) { throw decode_error(std::string("kin: cannot read this message: ") + why); }
void nested_too_deep_to_encode() { cannot_encode("it is nested deeper than 500 levels of containers and pointers"); }
void nested_too_deep_to_decode() { cannot_decode("it is nested deeper than 500 levels"); }

void not_a_listed_type(const std::type_info& base, const std::type_info& met) {
  throw encode_error("kin: cannot send a " + demangled(met) + ": it is not listed in kin::derived_types<" +
                     demangled(base) + ">");
}

std::string demangled(const std::type_info& type) { return readable_name(type); }

const char* category_to_send(const std::error_category& category) {
  const auto* known = standard_category(category.name());
  if (known == nullptr || *known != category)
    throw encode_error(std::string("kin: cannot send an error code of category \"") + category.name() +
                       "\": the receiver would not find it; only generic, system, iostream and future cross");
  return category.name();
}

const std::error_category& category_named(std::string_view name) {
  const auto* known = standard_category(name);
  if (known == nullptr) cannot_decode("an error code has an unknown category");
  return *known;
}

// The objects of one message. They are kept alive until it is whole: a serialize() may put a temporary shared_ptr, and
// the next object must not be taken for it because it got the same address.
struct sent_objects {
  struct key {
    const volatile void* address;
    const std::type_info* type;
    bool operator==(const key& other) const { return address == other.address && *type == *other.type; }
  };
  struct hash {
    std::size_t operator()(const key& k) const noexcept {
      return std::hash<const volatile void*>()(k.address) ^ k.type->hash_code();
    }
  };
  struct object {
    std::shared_ptr<const volatile void> owner;
    bool complete;
  };
  std::unordered_map<key, std::uint32_t, hash> numbers;
  std::vector<object> objects;
};

// glibc's malloc gives so large a piece a mapping of its own, always new: most of the time that filling it takes is
// page faults (256 MiB: 130 ms in pages of 4 KiB, 48 in huge ones, 24 in memory that is there).
void expect_large(void* at, std::size_t bytes) noexcept {
  if (bytes >= std::size_t{64} << 20) os::advise_huge_pages(at, bytes);
}

byte_source::~byte_source() = default;
passenger::~passenger() = default;
memory_block::~memory_block() = default;

void sent_objects_delete::operator()(sent_objects* objects) const noexcept { delete objects; }

}  // namespace detail

void writer::fd(int borrowed) {
  auto copy = os::duplicate(borrowed);
  const auto number = static_cast<std::uint32_t>(fds_.size());
  fds_.push_back(std::move(copy));
  raw(&number, sizeof number);
}

void writer::spill(std::size_t more) {
  bytes_.reserve(std::max(2 * most_here, here_ + more));
  bytes_.insert(bytes_.end(), small_, small_ + here_);
  spilled_ = true;
}

// False: there is no block to be had (any more), and all that was written is in bytes_, if that is where it spills.
bool writer::raw_in_block(const void* data, std::size_t n) {
  const std::span<const std::byte> known = view();
  if (!block_ || n > block_->room().size() - in_block_) {
    auto larger = blocks_->take(std::max(2 * known.size(), known.size() + n));
    if (!larger) {
      blocks_ = nullptr;
      if (block_) {
        bytes_.reserve(known.size() + n);
        bytes_.assign(known.begin(), known.end());
        block_.reset();
      }
      return false;
    }
    std::memcpy(larger->room().data(), known.data(), known.size());
    in_block_ = known.size();
    block_ = std::move(larger);
    bytes_ = {};
    spilled_ = true;
  }
  std::memcpy(block_->room().data() + in_block_, data, n);
  in_block_ += n;
  return true;
}

void writer::clear() noexcept {
  objects_.reset();
  block_.reset();
  bytes_.clear();
  fds_.clear();
  carried_.clear();
  here_ = 0;
  spilled_ = false;
}

detail::parcel writer::take() {
  objects_.reset();
  if (!spilled_ && !block_) bytes_.assign(small_, small_ + here_);
  here_ = 0;
  spilled_ = false;
  if (block_)
    return {{}, std::exchange(fds_, {}), std::exchange(carried_, {}), std::exchange(block_, nullptr), in_block_};
  return {std::exchange(bytes_, {}), std::exchange(fds_, {}), std::exchange(carried_, {})};
}

writer::object_number writer::share(std::shared_ptr<const volatile void> object, const std::type_info& type) {
  if (!objects_) objects_.reset(new detail::sent_objects);
  auto& [numbers, objects] = *objects_;
  const auto [place, is_new] =
      numbers.try_emplace({object.get(), &type}, static_cast<std::uint32_t>(objects.size() + 1));
  if (is_new)
    objects.push_back({std::move(object), false});
  else if (!objects[place->second - 1].complete)
    detail::cannot_encode("its shared_ptrs form a cycle");
  return {place->second, is_new};
}

void writer::complete(std::uint32_t number) noexcept { objects_->objects[number - 1].complete = true; }

// More may be copied slowly out of memory that another processor has written (decision 0011).
constexpr std::size_t copied_at_once = 1024;

void reader::raw_of_several(std::byte* target, std::size_t n) {
  if (n > left()) detail::cannot_decode("the message ends too early");
  while (n > 0) {
    if (here_ == 0) {
      const auto more = source_->next();
      next_ = more.data();
      here_ = std::min(more.size(), beyond_);
      beyond_ -= here_;
    }
    const std::size_t some = std::min({n, here_, copied_at_once});
    std::memcpy(target, next_, some);
    target += some;
    next_ += some;
    here_ -= some;
    n -= some;
  }
}

std::span<const std::byte> reader::copied(std::size_t n) {
  if (n > left()) detail::cannot_decode("the message ends too early");
  copy_.clear();
  while (copy_.size() < n) {
    const std::size_t before = copy_.size(), more = std::min(n - before, std::max(before, std::size_t{64} << 10));
    copy_.resize(before + more);
    raw(copy_.data() + before, more);
  }
  return copy_;
}

unique_fd reader::fd() {
  std::uint32_t number = 0;
  raw(&number, sizeof number);
  if (number >= fds_.size()) detail::cannot_decode("it refers to a file descriptor that did not come with it");
  if (!fds_[number]) detail::cannot_decode("it refers to the same file descriptor twice");
  return std::move(fds_[number]);
}

std::shared_ptr<void> reader::shared(std::uint32_t number, const std::type_info& type) {
  if (number <= objects_.size()) {
    const auto& known = objects_[number - 1];
    if (known.type == nullptr) detail::cannot_decode("a shared_ptr points at an object that contains it");
    if (*known.type != type) detail::cannot_decode("a shared_ptr points at an object of another type");
    return known.owner;
  }
  if (number != objects_.size() + 1) detail::cannot_decode("the number of a shared_ptr's object is out of order");
  objects_.push_back({nullptr, nullptr});
  return nullptr;
}

void reader::keep(std::uint32_t number, std::shared_ptr<void> object, const std::type_info& type) {
  objects_[number - 1] = {std::move(object), &type};
}

}  // namespace kin
