// SPDX-License-Identifier: BSL-1.0
// remote: exceptions to bytes and back.
//
// A chain is u8 how many, then for each exception, outermost first: type name, text and worker, and u8 how many ways
// there are to throw it again, best first: the name of a kind and that kind's data as bytes.
#include <kin/wire/remote.hpp>

#include <cxxabi.h>

#include <cstdint>
#include <deque>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "wire/exception_kinds.hpp"
#include "wire/type_name.hpp"

namespace kin {

remote_info::remote_info(std::string type, std::string what, std::string where) noexcept
    : type_name(std::move(type)), text(std::move(what)), worker(std::move(where)) {}
remote_info::~remote_info() = default;

remote_error::remote_error(remote_info info) : error(info.type_name + ": " + info.text), remote_info(std::move(info)) {}
remote_error::~remote_error() = default;

namespace detail {
namespace {

constexpr std::size_t longest_chain = 32;
constexpr std::size_t most_ways = 4;

struct way {
  std::string kind;
  std::vector<std::byte> data;
};
struct record {
  remote_info info{{}, {}, {}};
  std::vector<way> ways;
  passengers carried{};  // of what is to be sent
};

/// A type and its bases, nearest first.
std::vector<const std::type_info*> with_bases(const std::type_info& type) {
  std::vector<const std::type_info*> all{&type};
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (const auto* one = dynamic_cast<const abi::__si_class_type_info*>(all[i])) {
      all.push_back(one->__base_type);
    } else if (const auto* many = dynamic_cast<const abi::__vmi_class_type_info*>(all[i])) {
      for (unsigned b = 0; b < many->__base_count; ++b) all.push_back(many->__base_info[b].__base_type);
    }
  }
  return all;
}

/// The name of what was thrown, without what std::throw_with_nested puts around it.
std::string thrown_type_name(const std::type_info& type) {
  auto name = readable_name(type);
  constexpr std::string_view wrapper = "std::_Nested_exception<";
  if (name.starts_with(wrapper)) {
    name = name.substr(wrapper.size(), name.size() - wrapper.size() - 1);
    while (name.ends_with(' ')) name.pop_back();
  }
  if (name == "std::__ios_failure") return "std::ios_base::failure";  // libstdc++ throws a class derived from it
  return name;
}

/// What can be said of the exception that is being handled.
remote_info story() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  remote_info info(type != nullptr ? thrown_type_name(*type) : "a foreign exception", {}, {});
  try {
    throw;
  } catch (const remote_info& known) {
    info = known;
  } catch (const std::exception& e) {
    const char* what = e.what();
    info.text = what != nullptr ? what : "";
  } catch (const std::string& text) {
    info.type_name = "std::string";
    info.text = text;
  } catch (const std::string_view& text) {
    info.text = text;
  } catch (const char* text) {
    info.text = text != nullptr ? text : "";
  } catch (int number) {
    info.text = std::to_string(number);
  } catch (unsigned number) {
    info.text = std::to_string(number);
  } catch (long number) {
    info.text = std::to_string(number);
  } catch (unsigned long number) {
    info.text = std::to_string(number);
  } catch (...) {
    info.text = "an exception of type " + info.type_name;
  }
  return info;
}

/// The exception inside the one that is being handled, if it has one.
std::exception_ptr cause() {
  try {
    throw;
  } catch (const std::nested_exception& e) {
    return e.nested_ptr();
  } catch (...) {
    return nullptr;
  }
}

/// Saves the exception that is being handled as `kind`; false when that does not work.
bool save_as(const exception_kind& kind, record& to) {
  try {
    writer out;
    if (!kind.save(out)) return false;
    auto saved = out.take();
    if (!saved.fds.empty()) return false;
    to.ways.push_back({kind.type->name(), std::move(saved.bytes)});
    std::move(saved.carried.begin(), saved.carried.end(), std::back_inserter(to.carried));
    return true;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (...) {
    return false;  // its codec throws: the next base is as good as it gets
  }
}

/// A kind that remote_error is already, and that would only hide from the catcher that the type is another.
bool says_no_more_than_remote_error(const std::type_info& kind) {
  return kind == typeid(std::exception) || kind == typeid(std::runtime_error) || kind == typeid(error);
}

bool is_exactly(const std::type_info& thrown, const std::type_info& kind, const std::string& type_name) {
  return thrown == kind || type_name == readable_name(kind);
}

record capture_handled() {
  record result;
  result.info = story();
  const std::type_info* type = abi::__cxa_current_exception_type();
  if (type == nullptr) return result;
  for (const auto* base : with_bases(*type)) {
    const auto* registered = result.ways.empty() ? registered_kind(*base) : nullptr;
    if (registered != nullptr) save_as(*registered, result);
    const auto* built_in = built_in_kind(*base);
    if (built_in == nullptr) continue;
    if (says_no_more_than_remote_error(*base) && !is_exactly(*type, *base, result.info.type_name)) break;
    if (save_as(*built_in, result)) break;
  }
  return result;
}

/// Outermost first.
std::vector<record> capture_chain(std::exception_ptr exception) {
  std::vector<record> chain;
  while (exception != nullptr && chain.size() < longest_chain) {
    std::exception_ptr inner;
    try {
      std::rethrow_exception(exception);
    } catch (...) {
      chain.push_back(capture_handled());
      inner = cause();
    }
    exception = inner;
  }
  return chain;
}

record take_record(reader& in) {
  record result;
  in(result.info.type_name, result.info.text, result.info.worker);
  const auto ways = in.take<std::uint8_t>();
  if (ways > most_ways) throw decode_error("kin: damaged outcome: too many ways to throw an exception");
  for (unsigned i = 0; i < ways; ++i) {
    way next;
    in(next.kind, next.data);
    result.ways.push_back(std::move(next));
  }
  return result;
}

/// Throws what the record describes.
[[noreturn]] void raise(record& from, bool nested) {
  for (auto& each : from.ways) {
    const auto* kind = kind_named(each.kind);
    if (kind == nullptr) continue;
    std::vector<unique_fd> none;
    reader in(each.data, none);
    try {
      kind->raise(in, remote_info(from.info), nested);
    } catch (const remote_info&) {
      throw;
    } catch (const decode_error&) {
      throw;
    } catch (...) {
      // The constructor of a registered type threw: the next way.
    }
  }
  if (nested) throw with_cause<remote_error>(std::move(from.info));
  throw remote_error(std::move(from.info));
}

/// chain[first] with its causes.
std::exception_ptr rebuild(std::vector<record>& chain, std::size_t first) {
  const auto inner = first + 1 < chain.size() ? rebuild(chain, first + 1) : nullptr;
  try {
    if (inner == nullptr) raise(chain[first], false);
    try {
      std::rethrow_exception(inner);
    } catch (...) {
      raise(chain[first], true);
    }
  } catch (...) {
    return std::current_exception();
  }
}

}  // namespace

void encode_exception(writer& out, std::exception_ptr exception) {
  auto chain = capture_chain(std::move(exception));
  out.put(static_cast<std::uint8_t>(chain.size()));
  for (auto& each : chain) {
    out(each.info.type_name, each.info.text, each.info.worker, static_cast<std::uint8_t>(each.ways.size()));
    for (const auto& one : each.ways) out(one.kind, one.data);
    for (auto& one : each.carried) out.carry(std::move(one));
  }
}

std::exception_ptr decode_exception(reader& in, const std::string& worker) {
  const auto count = in.take<std::uint8_t>();
  if (count == 0 || count > longest_chain) throw decode_error("kin: damaged outcome: no such chain of exceptions");
  std::vector<record> chain;
  for (unsigned i = 0; i < count; ++i) {
    chain.push_back(take_record(in));
    // Whoever threw it first is named, also after it has passed through other processes.
    if (chain.back().info.worker.empty()) chain.back().info.worker = worker;
  }
  return rebuild(chain, 0);
}

remote_error as_remote_error(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (...) {
    return remote_error(story());
  }
}

std::string describe_exception(std::exception_ptr exception) {
  std::string text;
  for (std::size_t depth = 0; exception != nullptr && depth < longest_chain; ++depth) {
    std::exception_ptr inner;
    try {
      std::rethrow_exception(exception);
    } catch (...) {
      const auto info = story();
      if (depth != 0) text += "\n  caused by ";
      text += info.type_name;
      if (!info.text.empty()) text += ": " + info.text;
      inner = cause();
    }
    exception = inner;
  }
  return text;
}

bool is_retryable(const std::exception_ptr& exception) noexcept {
  if (exception == nullptr) return false;
  try {
    std::rethrow_exception(exception);
  } catch (const retryable&) {
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace detail
}  // namespace kin
