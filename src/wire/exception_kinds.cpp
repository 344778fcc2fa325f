// SPDX-License-Identifier: BSL-1.0
// exception_kinds: the table. The heavy headers of the standard library are included here alone.
#include "wire/exception_kinds.hpp"

#include <algorithm>
#include <any>
#include <array>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <functional>
#include <future>
#include <ios>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <regex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <typeinfo>
#include <variant>
#include <vector>

#include "os/fork_hooks.hpp"
#include "wire/error_categories.hpp"

namespace kin::detail {
namespace {

template <class E>
concept has_error_code = requires(const E& e) {
  { e.code() } -> std::convertible_to<std::error_code>;
};

// Of any category: a code as a value is refused where its category is not the standard's, but an exception has to come
// back as what it was, and by then nobody can write it in another way.
void save_code(writer& out, const std::error_code& code) {
  out(static_cast<std::int32_t>(code.value()), std::string(code.category().name()), code.message());
}

std::error_code take_code(reader& in) {
  const auto number = in.take<std::int32_t>();
  const auto name = in.take<std::string>();
  auto message = in.take<std::string>();
  const auto* known = standard_category(name);
  return {number, known != nullptr ? *known : category_told(name, number, std::move(message))};
}

std::error_code take_last_code(reader& in) {
  const auto code = take_code(in);
  in.finish();
  return code;
}

template <class E>
void save_data(writer& out, const E& e) {
  if constexpr (has_error_code<E>) save_code(out, e.code());
  if constexpr (std::is_same_v<E, std::filesystem::filesystem_error>)
    out(e.path1(), e.path2());
  else if constexpr (std::is_same_v<E, std::regex_error>)
    out(static_cast<std::int32_t>(e.code()));
  else if constexpr (std::is_same_v<E, buffer_too_short>)
    out(e.message());
}

template <class E>
bool save(writer& out) {
  try {
    throw;
  } catch (const E& e) {
    save_data(out, e);
    return true;
  } catch (...) {
    return false;
  }
}

/// The parts of "kin: could not DOING: CALL: REASON", so that the text is right even in a sliced copy.
os_error make_os_error(const std::string& text, const std::error_code& code) {
  constexpr std::string_view start = "kin: could not ";
  const auto reason = ": " + std::system_category().message(code.value());
  if (text.starts_with(start) && text.ends_with(reason) && text.size() > start.size() + reason.size()) {
    const auto middle = text.substr(start.size(), text.size() - start.size() - reason.size());
    if (const auto colon = middle.rfind(": "); colon != std::string::npos)
      return {middle.substr(0, colon), middle.substr(colon + 2).c_str(), code.value()};
  }
  return {text, "elsewhere", code.value()};
}

template <class T>
T take_last(reader& in) {
  T value = in.take<T>();
  in.finish();
  return value;
}

template <class E>
void raise(reader& in, remote_info&& info, bool nested) {
  const std::string text = info.text;
  if constexpr (std::is_same_v<E, remote_error>) {
    in.finish();
    if (nested) throw with_cause<remote_error>(std::move(info));
    throw remote_error(std::move(info));
  } else if constexpr (std::is_same_v<E, std::filesystem::filesystem_error>) {
    const auto code = take_code(in);
    const auto first = in.take<std::filesystem::path>();
    const auto second = take_last<std::filesystem::path>(in);
    raise_remote<E>(std::move(info), nested, text, first, second, code);
  } else if constexpr (std::is_same_v<E, std::ios_base::failure>) {
    raise_remote<E>(std::move(info), nested, text, take_last_code(in));
  } else if constexpr (std::is_same_v<E, std::system_error>) {
    raise_remote<E>(std::move(info), nested, take_last_code(in));
  } else if constexpr (std::is_same_v<E, std::future_error>) {
    raise_remote<E>(std::move(info), nested, static_cast<std::future_errc>(take_last_code(in).value()));
  } else if constexpr (std::is_same_v<E, std::regex_error>) {
    raise_remote<E>(std::move(info), nested,
                    static_cast<std::regex_constants::error_type>(take_last<std::int32_t>(in)));
  } else if constexpr (std::is_same_v<E, os_error>) {
    raise_remote<E>(std::move(info), nested, make_os_error(text, take_last_code(in)));
  } else if constexpr (std::is_same_v<E, buffer_too_short>) {
    raise_remote<E>(std::move(info), nested, take_last<std::vector<std::byte>>(in));
  } else {
    in.finish();
    if constexpr (std::is_constructible_v<E, const std::string&>)
      raise_remote<E>(std::move(info), nested, text);
    else
      raise_remote<E>(std::move(info), nested);
  }
}

template <class E>
constexpr exception_kind kind_for() {
  return {&typeid(E), &save<E>, &raise<E>};
}

template <class... E>
std::span<const exception_kind> kinds_for() {
  static constexpr std::array<exception_kind, sizeof...(E)> table{kind_for<E>()...};
  return table;
}

/// Never destroyed: modules remove their kinds while static objects are destroyed.
std::vector<const exception_kind*>& registered() {
  static auto& instance = *new std::vector<const exception_kind*>;
  return instance;
}

}  // namespace

std::span<const exception_kind> built_in_kinds() {
  return kinds_for<
      std::exception, std::logic_error, std::invalid_argument, std::domain_error, std::length_error, std::out_of_range,
      std::future_error, std::runtime_error, std::range_error, std::overflow_error, std::underflow_error,
      std::regex_error, std::system_error, std::ios_base::failure, std::filesystem::filesystem_error, std::bad_alloc,
      std::bad_array_new_length, std::bad_cast, std::bad_any_cast, std::bad_typeid, std::bad_weak_ptr,
      std::bad_function_call, std::bad_variant_access, std::bad_optional_access, std::bad_exception,  //
      error, os_error, start_error, closed_error, encode_error, decode_error, type_mismatch, buffer_too_short,
      task_timeout, cancelled_error, owner_died, broken_barrier, authentication_error, retryable, remote_error>();
}

const exception_kind* built_in_kind(const std::type_info& type) {
  const auto all = built_in_kinds();
  const auto found = std::ranges::find_if(all, [&type](const exception_kind& kind) { return *kind.type == type; });
  return found == all.end() ? nullptr : &*found;
}

const exception_kind* registered_kind(const std::type_info& type) {
  auto& all = registered();
  const std::lock_guard hold(os::whole_over_fork);
  const auto found = std::ranges::find_if(all, [&type](const exception_kind* kind) { return *kind->type == type; });
  return found == all.end() ? nullptr : *found;
}

const exception_kind* kind_named(std::string_view name) {
  {
    auto& all = registered();
    const std::lock_guard hold(os::whole_over_fork);
    const auto found =
        std::ranges::find_if(all, [name](const exception_kind* kind) { return kind->type->name() == name; });
    if (found != all.end()) return *found;
  }
  const auto all = built_in_kinds();
  const auto found =
      std::ranges::find_if(all, [name](const exception_kind& kind) { return kind.type->name() == name; });
  return found == all.end() ? nullptr : &*found;
}

void prepare_exceptions_for_fork() {
  (void)registered();
  prepare_error_categories_for_fork();
}

void add_exception_kind(const exception_kind& kind) {
  auto& all = registered();
  const std::lock_guard hold(os::whole_over_fork);
  all.push_back(&kind);
}

void remove_exception_kind(const exception_kind& kind) noexcept {
  auto& all = registered();
  const std::lock_guard hold(os::whole_over_fork);
  std::erase(all, &kind);
}

}  // namespace kin::detail
