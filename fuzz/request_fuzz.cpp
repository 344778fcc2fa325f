// SPDX-License-Identifier: BSL-1.0
// request_fuzz: arbitrary bytes as a request, and good requests with one byte changed or their arguments replaced,
// never reach anything but the tasks below, and fail with nothing but decode_error.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <kin/core/error.hpp>
#include <kin/wire/incoming_call.hpp>

namespace {

int mixed(int a, int b) { return a ^ b; }
struct job {
  std::map<std::string, std::vector<int>> tables;
  int operator()(int n) const { return n + static_cast<int>(tables.size()); }
};
struct job_of_function {
  std::vector<int (*)(int, int)> combine;
  int operator()(int n) const { return combine.at(0)(n, 1); }
};

/// A good request, and how many of its bytes name the task. Pointers to functions are protected against damage, not
/// against forgery (see callable.hpp), so requests that have one are only damaged.
struct sample {
  std::vector<std::byte> bytes;
  std::size_t identity;
  bool has_function;
};
enum class contains { values, function };
sample make(kin::detail::parcel&& request, contains what) {
  std::uint16_t place = 0;
  std::memcpy(&place, &request.bytes[8], sizeof place);
  return {std::move(request.bytes), 10U + place, what == contains::function};
}
const std::vector<sample>& samples() {
  using kin::detail::encode_call;
  using enum contains;
  const std::vector<std::string> texts{"x"};
  const auto exclaim = [](const std::string& s) { return s + "!"; };
  const auto count = [](int (*f)(int, int), const std::vector<std::string>& v) {
    return f(1, static_cast<int>(v.size()));
  };
  static const std::vector<sample> all{make(encode_call(exclaim, "text"), values),
                                       make(encode_call(job{{{"a", {1, 2}}}}, 3), values),
                                       make(encode_call(kin::bind(kin::bind(job{}), 1)), values),
                                       make(encode_call(mixed, 1, 2), function),
                                       make(encode_call(job_of_function{{mixed}}, 3), function),
                                       make(encode_call(kin::bind(kin::bind(mixed, 1), 2)), function),
                                       make(encode_call(count, &mixed, texts), function)};
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  const auto& good = samples()[data[0] % samples().size()];
  const auto* rest = reinterpret_cast<const std::byte*>(data + 4);
  std::vector<std::byte> bytes;
  switch (data[1] % (good.has_function ? 2 : 3)) {
    case 0:
      bytes.assign(rest, rest + (size - 4));
      break;
    case 1:
      bytes = good.bytes;
      bytes[(data[2] + 256U * data[3]) % bytes.size()] ^= size > 4 ? rest[0] : std::byte{1};
      break;
    default:
      bytes.assign(good.bytes.begin(), good.bytes.begin() + static_cast<std::ptrdiff_t>(good.identity));
      bytes.insert(bytes.end(), rest, rest + (size - 4));
  }
  try {
    kin::detail::incoming_call call({std::move(bytes), {}});
    (void)call.name();
    kin::writer result;
    call.run(result);
  } catch (const kin::decode_error&) {
  }
  return 0;
}
