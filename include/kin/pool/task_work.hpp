// SPDX-License-Identifier: BSL-1.0
// task_work: what a task is made of on its way from a pool's templates to its workers: a request in bytes, for another
// process, or an object, for another thread of this one.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <variant>

#include <kin/core/export.hpp>
#include <kin/wire/call.hpp>
#include <kin/wire/parcel.hpp>
#include <kin/wire/writer.hpp>

namespace kin::detail {

/// Whether the same job may be asked to run again.
enum class attempt : unsigned char { last, repeatable };

/// A task that runs in this process.
class KIN_EXPORT local_job {
 public:
  local_job() = default;
  local_job(const local_job&) = delete;
  local_job& operator=(const local_job&) = delete;
  virtual ~local_job();
  /// False when running it once uses it up.
  [[nodiscard]] virtual bool repeatable() const noexcept = 0;
  /// Keeps the value for settle(). Throws what the task throws.
  virtual void run(attempt which) = 0;
  /// Gives the value to the task's future. False when that was settled before.
  virtual bool settle() = 0;
};

/// A request that its writer still holds. What it begins with is known to be the same for many.
struct written_request {
  writer* out = nullptr;
  call_head head;
};

/// A request whose arguments are the same in memory and on the wire, and few bytes: they are all that is there. What is
/// called, which takes more bytes and longer to write, is the same for many tasks, and is written by who needs it.
struct small_request {
  static constexpr std::size_t most_bytes = 32;
  call_head head;
  std::size_t size = 0;
  std::array<std::byte, most_bytes> bytes;

  template <class T>
  void put(const T& value) noexcept {
    std::memcpy(bytes.data() + size, std::addressof(value), sizeof value);
    size += sizeof value;
  }
  [[nodiscard]] std::span<const std::byte> text() const noexcept { return {bytes.data(), size}; }
};
/// Whether a call of F with A, all as they are stored, can be one. False as well for what is refused.
template <class F, class... A>
constexpr bool find_small_call() {
  if constexpr ((stateless<F> || function_pointer<F>)&&can_call<F, A...>)
    if constexpr ((is_flat<A> && ...) && result_crosses<invoke_once_t<F, A...>>)
      return (sizeof(A) + ... + 0) <= small_request::most_bytes;
  return false;
}
template <class F, class... A>
inline constexpr bool is_small_call = find_small_call<F, A...>();

using task_work = std::variant<parcel, std::unique_ptr<local_job>, written_request, small_request>;
/// What its handles need until nobody will decode it any more.
[[nodiscard]] KIN_EXPORT passengers take_carried(task_work& work) noexcept;
/// Of one that is no job.
[[nodiscard]] KIN_EXPORT parcel take_request(task_work& work);

/// What a task is called in texts, made when it is asked for: finding a function's name takes microseconds.
class KIN_EXPORT task_label {
 public:
  task_label() = default;
  template <class F>
  static task_label of(const F& f) {
    using callable = std::decay_t<F>;
    using type = typename callee<callable>::type;
    task_label label;
    label.type_ = &typeid(type);
    label.is_function_ = function_pointer<type>;
    label.function_ = function_in<callable>(f);
    return label;
  }
  [[nodiscard]] std::string text() const;

 private:
  const std::type_info* type_ = nullptr;
  const void* function_ = nullptr;
  bool is_function_ = false;
};

}  // namespace kin::detail
