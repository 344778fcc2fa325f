// SPDX-License-Identifier: BSL-1.0
// decode_fuzz: any bytes are a value or decode_error; a value is encoded again, to no more than the bytes it came from,
// and read back. The first byte chooses the type.
#include <kin/wire/codec.hpp>

#include <cstdint>
#include <deque>
#include <filesystem>
#include <forward_list>
#include <list>
#include <unordered_map>
#include <unordered_set>

#include "../tests/wire/round_trip.hpp"

namespace {

struct called {
  std::unique_ptr<called> next;
  template <class Archive>
  void serialize(Archive& ar) {
    bool more = next != nullptr;
    ar(more);
    if (!more) return;
    if (!next) next = std::make_unique<called>();
    ar(*next);
  }
};
struct web {
  std::shared_ptr<web> left, right;
  std::shared_ptr<const std::string> name;
  std::optional<std::vector<web>> more;
};
struct json {
  std::variant<std::monostate, bool, double, std::string, std::vector<json>, std::map<std::string, json>> value;
};

template <class T>
void run(std::vector<std::byte> bytes) {
  kin::detail::parcel message{std::move(bytes), {}};
  const auto size = message.bytes.size();
  try {
    const T value = kin::detail::decode<T>(std::move(message));
    auto again = kin::detail::encode(value);
    if (again.bytes.size() > size) __builtin_trap();
    (void)kin::detail::decode<T>(std::move(again));
  } catch (const kin::decode_error&) {
  }
}

using container_zoo =
    std::tuple<std::vector<bool>, std::deque<std::string>, std::list<std::vector<std::monostate>>,
               std::forward_list<std::pair<int, std::string>>, std::set<std::string>, std::unordered_set<std::string>,
               std::map<int, std::map<int, int>>, std::unordered_map<std::string, std::vector<char>>,
               std::multimap<std::string, int>, std::array<std::string, 3>, std::u32string, std::wstring>;
using value_zoo = std::tuple<std::bitset<13>, std::error_code, std::error_condition, std::filesystem::path, long double,
                             std::chrono::system_clock::time_point, std::chrono::year_month_day, std::optional<bool>,
                             std::variant<int, std::string, kin_test::account>, std::array<kin_test::point, 2>,
                             std::byte, kin::unique_fd>;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto* first = reinterpret_cast<const std::byte*>(data);
  std::vector<std::byte> bytes(first + 1, first + size);
  switch (data[0] % 8) {
    case 0:
      run<kin_test::everything>(std::move(bytes));
      break;
    case 1:
      run<container_zoo>(std::move(bytes));
      break;
    case 2:
      run<value_zoo>(std::move(bytes));
      break;
    case 3:
      run<web>(std::move(bytes));
      break;
    case 4:
      run<json>(std::move(bytes));
      break;
    case 5:
      run<called>(std::move(bytes));
      break;
    case 6:
      run<std::vector<std::unique_ptr<kin_test::shape>>>(std::move(bytes));
      break;
    default:
      run<kin_test::tree>(std::move(bytes));
      break;
  }
  return 0;
}
