// SPDX-License-Identifier: BSL-1.0
// task_work: what a task is made of on its way from a pool's templates to its workers: a request in bytes, for another
// process, or an object, for another thread of this one.
#pragma once

#include <memory>
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

using task_work = std::variant<parcel, std::unique_ptr<local_job>, written_request>;
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
