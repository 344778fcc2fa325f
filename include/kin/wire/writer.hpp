// SPDX-License-Identifier: BSL-1.0
// writer: turns values into a parcel. The Archive that a serialize() sees while its value is sent.
// Which bytes a type becomes is said by its rule (kin/wire/*_types.hpp); include kin/wire/codec.hpp, which has them
// all.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include <kin/core/error.hpp>
#include <kin/wire/delivery.hpp>
#include <kin/wire/kind.hpp>
#include <kin/wire/lending.hpp>
#include <kin/wire/nesting.hpp>
#include <kin/wire/parcel.hpp>

namespace kin {

namespace detail {
struct sent_objects;
struct sent_objects_delete {
  KIN_EXPORT void operator()(sent_objects* objects) const noexcept;
};
[[noreturn]] KIN_EXPORT void cannot_encode(const char* why);
[[noreturn]] KIN_EXPORT void nested_too_deep_to_encode();
}  // namespace detail

/// Appends values to a growing message. Not thread-safe. A throwing put leaves the writer without a usable message.
class writer {
 public:
  static constexpr bool is_saving = true;
  static constexpr bool is_loading = false;

  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): what is written is initialised
  writer() noexcept {}
  /// For kin: what becomes of the message.
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): as above
  explicit writer(detail::delivery handles) noexcept : handles_(handles) {}
  /// Writes into `reused`, whose contents are dropped and whose capacity is kept.
  explicit writer(std::vector<std::byte> reused) noexcept : writer(detail::delivery::kept, std::move(reused)) {}
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): as above
  writer(detail::delivery handles, std::vector<std::byte> reused) noexcept
      : bytes_(std::move(reused)), spilled_(true), handles_(handles) {
    bytes_.clear();
  }
  /// A large message is written into a block of `blocks`, which outlives the writer, if there is one.
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): as above
  writer(detail::delivery handles, detail::block_source* blocks) noexcept : handles_(handles), blocks_(blocks) {}
  /// Large arrays are lent to the message, whose sender keeps `from`.
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): as above
  writer(detail::delivery handles, detail::lending& from) noexcept : handles_(handles), lending_(&from) {}
  writer(const writer&) = delete;
  writer& operator=(const writer&) = delete;
  ~writer() = default;

  /// `ar(first, second)`: puts each. Throws encode_error for a value that cannot cross (a cycle of shared_ptr, a
  /// valueless variant, nesting deeper than 500), os_error when a descriptor cannot be duplicated.
  template <class... T>
  writer& operator()(const T&... values) {
    (put(values), ...);
    return *this;
  }
  template <class T>
  writer& operator&(const T& value) {
    put(value);
    return *this;
  }
  template <class T>
  void put(const T& value) {
    detail::rule<std::remove_cv_t<T>>::encode(*this, value);
  }

  /// Appends n bytes as they are.
  void raw(const void* data, std::size_t n) {
    if (n == 0) return;
    if (!spilled_ && n <= most_here - here_) {
      std::memcpy(small_ + here_, data, n);
      here_ += n;
      return;
    }
    if (blocks_ != nullptr && (block_ || n >= detail::least_block - written()) && raw_in_block(data, n)) return;
    if (!spilled_) spill(n);
    // Room is made first: g++ 12 takes an insert that grows an empty vector for an overflow, and warns in users' code.
    if (bytes_.capacity() - bytes_.size() < n) bytes_.reserve(std::max(2 * bytes_.capacity(), bytes_.size() + n));
    const auto* first = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), first, first + n);
  }
  /// The same for the n elements that a container has from `data` on.
  template <class Container, class E>
  void raw_of(const Container& owner, const E* data, std::size_t n) {
    if (detail::lendable<Container> && lending_ != nullptr && n >= detail::least_lent / sizeof(E) && calls_ == 0 &&
        lending_->has(&owner))
      lending_->lent.push_back({written(), std::as_bytes(std::span(data, n))});
    else
      raw(data, n * sizeof(E));
  }
  /// While the elements of `owner` are put.
  template <class Container>
  [[nodiscard]] detail::alive_elements elements_of(const Container& owner) noexcept {
    if constexpr (detail::lendable<Container>)
      return {lending_, &owner, std::as_bytes(std::span(owner.data(), owner.size()))};
    else
      return {lending_, &owner, {}};
  }
  /// A number of elements; reader::size reads it.
  void size(std::size_t n) {
    const std::uint64_t wide = n;
    raw(&wide, sizeof wide);
  }
  /// Sends a duplicate of `borrowed`, which stays the caller's. Throws os_error (EBADF, EMFILE).
  KIN_EXPORT void fd(int borrowed);

  /// Bytes written so far, without what was lent.
  [[nodiscard]] std::size_t written() const noexcept { return block_ ? in_block_ : spilled_ ? bytes_.size() : here_; }
  /// The same bytes where they lie, until the next put or take().
  [[nodiscard]] std::span<const std::byte> view() const noexcept {
    if (block_) return block_->room().first(in_block_);
    return spilled_ ? std::span<const std::byte>(bytes_) : std::span<const std::byte>(small_, here_);
  }
  [[nodiscard]] bool has_descriptors() const noexcept { return !fds_.empty(); }
  /// As if nothing had been put.
  KIN_EXPORT void clear() noexcept;
  /// The message; the writer is empty afterwards.
  [[nodiscard]] KIN_EXPORT detail::parcel take();

  /// For handles of shared objects: what to count on, and what the message carries for them.
  [[nodiscard]] detail::delivery handles() const noexcept { return handles_; }
  void carry(std::unique_ptr<detail::passenger> one) { carried_.push_back(std::move(one)); }
  /// For who sends the bytes from view(): what the message carries; or that it is with its receiver.
  [[nodiscard]] detail::passengers take_carried() noexcept { return std::exchange(carried_, {}); }
  void arrived() noexcept {
    for (const auto& each : carried_) each->arrive();
  }

  /// For the rules: one level of containers and pointers, or of user code, deeper.
  using level = detail::level<&detail::nested_too_deep_to_encode>;
  [[nodiscard]] level descend() { return level(levels_); }
  [[nodiscard]] level call_user() { return level(calls_); }

  /// For the rules: the number of an object held by a shared_ptr, and whether this is its first appearance; the
  /// object is then put, and complete() called. Throws encode_error when it is met again before that: a cycle.
  struct object_number {
    std::uint32_t number;
    bool is_new;
  };
  KIN_EXPORT object_number share(std::shared_ptr<const volatile void> object, const std::type_info& type);
  KIN_EXPORT void complete(std::uint32_t number) noexcept;

 private:
  KIN_EXPORT void spill(std::size_t more);
  KIN_EXPORT bool raw_in_block(const void* data, std::size_t n);

  // A small message needs no memory of its own until it is taken.
  static constexpr std::size_t most_here = 192;
  std::size_t here_ = 0;
  std::vector<std::byte> bytes_;
  std::vector<unique_fd> fds_;
  std::shared_ptr<detail::memory_block> block_;
  std::size_t in_block_ = 0;
  bool spilled_ = false;
  std::unique_ptr<detail::sent_objects, detail::sent_objects_delete> objects_;
  detail::passengers carried_;
  detail::delivery handles_ = detail::delivery::kept;
  detail::block_source* blocks_ = nullptr;
  detail::lending* lending_ = nullptr;
  int levels_ = 0;
  int calls_ = 0;
  std::byte small_[most_here];
};

}  // namespace kin
