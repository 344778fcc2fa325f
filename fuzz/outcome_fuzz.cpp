// SPDX-License-Identifier: BSL-1.0
// outcome_fuzz: arbitrary bytes as an outcome give a value, an exception with remote_info, or decode_error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <kin/core/error.hpp>
#include <kin/wire/outcome.hpp>

namespace {

struct my_error : std::runtime_error {
  my_error(int c, std::string w) : runtime_error("mine"), code(c), where(std::move(w)) {}
  int code;
  std::string where;
};

}  // namespace

template <>
struct kin::codec<my_error> {
  static void encode(writer& out, const my_error& e) { out(e.code, e.where); }
  static my_error decode(reader& in) {
    const int code = in.take<int>();
    return {code, in.take<std::string>()};
  }
};

namespace {

const kin::transportable<my_error> registration;

template <class F>
std::vector<std::byte> failing(F f) {
  try {
    try {
      f();
    } catch (...) {
      std::throw_with_nested(my_error(1, "here"));
    }
  } catch (...) {
    return kin::detail::encode_exception_outcome(std::current_exception()).bytes;
  }
  return {};
}

const std::vector<std::vector<std::byte>>& samples() {
  static const std::vector<std::vector<std::byte>> all{
      kin::detail::encode_value_outcome(std::vector<std::string>{"a", "b"}).bytes,
      failing([] { throw std::system_error(2, std::generic_category(), "x"); }),
      failing([] { throw kin::os_error("open", "open", 2); }), failing([] { throw 42; }),
      failing([] { throw kin::buffer_too_short(std::vector<std::byte>(3)); })};
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  std::vector<std::byte> bytes;
  const auto* rest = reinterpret_cast<const std::byte*>(data + 4);
  if (data[0] % 2 == 0) {
    bytes.assign(rest, rest + (size - 4));
  } else {
    bytes = samples()[data[1] % samples().size()];
    bytes[(data[2] + 256U * data[3]) % bytes.size()] ^= size > 4 ? rest[0] : std::byte{1};
  }
  kin::detail::parcel outcome{std::move(bytes), {}};
  (void)kin::detail::outcome_retryable(outcome);
  try {
    (void)kin::detail::decode_outcome<std::vector<std::string>>(std::move(outcome), "worker");
  } catch (const kin::remote_info&) {
  } catch (const kin::decode_error&) {
  }
  return 0;
}
