// SPDX-License-Identifier: BSL-1.0
// remote: exceptions that were thrown in another process and are thrown again in this one.
// A standard type comes back as that type, a type of the user's after kin::transportable, anything else as its nearest
// standard base or as remote_error; always with remote_info, and with its chain of nested exceptions.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include <kin/core/error.hpp>
#include <kin/core/export.hpp>
#include <kin/wire/codec.hpp>

namespace kin {

/// What is known of an exception from another process, beside its type: dynamic_cast to it, or catch it.
struct KIN_EXPORT remote_info {
  remote_info(std::string type, std::string what, std::string where) noexcept;
  remote_info(const remote_info&) = default;
  remote_info(remote_info&&) = default;
  remote_info& operator=(const remote_info&) = default;
  remote_info& operator=(remote_info&&) = default;
  virtual ~remote_info();

  std::string type_name;  ///< the type that was thrown there, also when that type is not known here
  std::string text;       ///< its what(), letter for letter
  std::string worker;     ///< who threw it
};

/// An E from another process. Catch it as an E.
template <class E>
struct KIN_EXPORT remote : E, remote_info {
  template <class... A>
  explicit remote(remote_info info, A&&... args) : E(std::forward<A>(args)...), remote_info(std::move(info)) {}
  /// The text of the worker's exception; overrides E's, which might add to it a second time.
  const char* what() const noexcept { return text.c_str(); }  // NOLINT(modernize-use-override): E may have none
};

/// Of a type that cannot be thrown here. what() is "type: text".
struct KIN_EXPORT remote_error : error, remote_info {
  explicit remote_error(remote_info info);
  remote_error(const remote_error&) = default;
  remote_error& operator=(const remote_error&) = default;
  ~remote_error() override;
};

namespace detail {

/// An X with a cause: takes the exception that is being handled.
template <class X>
struct with_cause final : X, std::nested_exception {
  using X::X;
};

/// Throws a remote<E>, with what is being handled as its cause if `nested`.
template <class E, class... A>
[[noreturn]] void raise_remote(remote_info&& info, bool nested, A&&... args) {
  if constexpr (!std::is_base_of_v<std::nested_exception, E>)
    if (nested) throw with_cause<remote<E>>(std::move(info), std::forward<A>(args)...);
  throw remote<E>(std::move(info), std::forward<A>(args)...);
}

/// How one type of exception crosses.
struct exception_kind {
  const std::type_info* type;
  /// Writes the exception that is being handled; false if it is no such object.
  bool (*save)(writer& out);
  /// Throws what was saved, by raise_remote; or decode_error.
  void (*raise)(reader& in, remote_info&& info, bool nested);
};
/// Thread-safe. The kind must live until it is removed.
KIN_EXPORT void add_exception_kind(const exception_kind& kind);
KIN_EXPORT void remove_exception_kind(const exception_kind& kind) noexcept;

/// Types that are no more than their text: made from a string, and nothing added to a standard base.
template <class E>
concept only_text = std::is_constructible_v<E, const std::string&> && sizeof(E) == sizeof(std::runtime_error) &&
                    (std::is_base_of_v<std::runtime_error, E> || std::is_base_of_v<std::logic_error, E>);
template <class E>
concept only_type =
    std::is_base_of_v<std::exception, E> && std::is_default_constructible_v<E> && sizeof(E) == sizeof(std::exception);

template <class E>
bool save_exception(writer& out) {
  try {
    throw;
  } catch (const E& e) {
    if constexpr (kind_of<E> != kind::unsendable) out.put(e);
    return true;
  } catch (...) {
    return false;
  }
}

template <class E>
void raise_exception(reader& in, remote_info&& info, bool nested) {
  if constexpr (kind_of<E> != kind::unsendable) {
    E saved = in.take<E>();
    in.finish();
    raise_remote<E>(std::move(info), nested, std::move(saved));
  } else if constexpr (only_text<E>) {
    const std::string text = info.text;
    raise_remote<E>(std::move(info), nested, text);
  } else if constexpr (only_type<E>) {
    raise_remote<E>(std::move(info), nested);
  }
}

/// Writes and reads a chain of exceptions. decode throws decode_error for bytes that are none.
KIN_EXPORT void encode_exception(writer& out, std::exception_ptr exception);
[[nodiscard]] KIN_EXPORT std::exception_ptr decode_exception(reader& in, const std::string& worker);

/// For what is no std::exception: one that tells of it.
[[nodiscard]] KIN_EXPORT remote_error as_remote_error(const std::exception_ptr& exception);

/// "std::out_of_range: text"; what it was caused by on lines of their own.
[[nodiscard]] KIN_EXPORT std::string describe_exception(std::exception_ptr exception);
[[nodiscard]] KIN_EXPORT bool is_retryable(const std::exception_ptr& exception) noexcept;

}  // namespace detail

/// Lets an exception type of yours come back as itself. One line beside the class, in its header:
///     inline const kin::transportable<my_error> my_error_registration;
/// With data of its own, my_error needs a serialize() or a kin::codec.
template <class E>
class transportable {
 public:
  transportable() { detail::add_exception_kind(kind_); }
  transportable(const transportable&) = delete;
  transportable& operator=(const transportable&) = delete;
  ~transportable() { detail::remove_exception_kind(kind_); }

 private:
  static_assert(
      std::is_class_v<E> && !std::is_final_v<E>,
      "kin: kin::transportable needs a class that can be derived from: what is thrown again is a kin::remote<E>");
  static_assert(
      detail::kind_of<E> != detail::kind::unsendable || detail::only_text<E> || detail::only_type<E>,
      "kin: this exception has data of its own. Add a member  template <class Archive> void serialize(Archive& "
      "ar) { ar(first, second); }  or specialise kin::codec<E> with encode and decode");
  static constexpr detail::exception_kind kind_{&typeid(E), &detail::save_exception<E>, &detail::raise_exception<E>};
};

}  // namespace kin
