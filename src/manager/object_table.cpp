// SPDX-License-Identifier: BSL-1.0
// object_table: see the header. Nothing is destroyed while its lock is held: that runs code of the user's.
#include "manager/object_table.hpp"

#include <atomic>
#include <string>
#include <system_error>

#include <kin/core/error.hpp>

#include "manager/object_reference.hpp"

namespace kin::detail {
namespace {
std::atomic<object_table*> the_table{nullptr};
}

object_table* object_table::here() noexcept { return the_table.load(); }
void object_table::set_here(object_table* table) noexcept { the_table = table; }

void object_table::add(const std::shared_ptr<hosted>& object) {
  const std::lock_guard hold(mutex_);
  objects_.emplace(++last_number_, object);
  object->number = last_number_;
}

std::shared_ptr<hosted> object_table::look_up(std::uint64_t number) const noexcept {
  const std::lock_guard hold(mutex_);
  const auto found = objects_.find(number);
  return found == objects_.end() ? nullptr : found->second.lock();
}

std::shared_ptr<hosted> object_table::find(std::uint64_t number) const {
  if (auto object = look_up(number)) return object;
  throw decode_error("kin: cannot read this message: the manager has no object number " + std::to_string(number));
}

void object_table::remove(std::uint64_t number) noexcept {
  const std::lock_guard hold(mutex_);
  objects_.erase(number);
}

std::size_t object_table::size() const {
  const std::lock_guard hold(mutex_);
  return objects_.size();
}

void object_table::hold(std::shared_ptr<hosted> object, unique_fd pipe) {
  {
    const std::lock_guard hold(mutex_);
    const int number = pipe.get();
    tokens_.emplace(number, token{std::move(pipe), std::move(object)});
  }
  new_tokens_.set();
}

std::vector<int> object_table::pipes() const {
  const std::lock_guard hold(mutex_);
  std::vector<int> numbers;
  numbers.reserve(tokens_.size());
  for (const auto& [number, held] : tokens_) numbers.push_back(number);
  return numbers;
}

void object_table::drop(int pipe) noexcept {
  std::shared_ptr<hosted> last;  // destroyed after the lock is released
  const std::lock_guard hold(mutex_);
  if (const auto found = tokens_.find(pipe); found != tokens_.end()) {
    last = std::move(found->second.object);
    tokens_.erase(found);
  }
}

std::size_t object_table::tokens() const {
  const std::lock_guard hold(mutex_);
  return tokens_.size();
}

hosted::~hosted() {
  if (number == 0) return;
  if (auto* table = object_table::here()) table->remove(number);
}

object_handle host(std::shared_ptr<hosted> object) {
  auto* table = object_table::here();
  if (!table) throw closed_error("kin: this process is not a manager's server");
  table->add(object);
  return object_handle(std::make_shared<object_reference>(std::move(object)));
}

std::shared_ptr<hosted> find_hosted(std::uint64_t number, const std::type_info& type) {
  auto* table = object_table::here();
  if (!table) throw decode_error("kin: this process is not a manager's server");
  auto object = table->find(number);
  if (object->type != type)
    throw decode_error("kin: object " + std::to_string(number) + " of the manager is a " + demangled(object->type) +
                       ", not a " + demangled(type));
  return object;
}

running_call::running_call(hosted& object) : object_(object) {
  if (object.concurrent) return;
  if (object.caller.load(std::memory_order_relaxed) == std::this_thread::get_id())
    throw std::system_error(std::make_error_code(std::errc::resource_deadlock_would_occur),
                            "kin: a call on a manager's object has called the same object");
  object.mutex.lock();
  object.caller.store(std::this_thread::get_id(), std::memory_order_relaxed);
}

running_call::~running_call() {
  if (object_.concurrent) return;
  object_.caller.store({}, std::memory_order_relaxed);
  object_.mutex.unlock();
}

}  // namespace kin::detail
