// SPDX-License-Identifier: BSL-1.0
// start_order_fuzz: arbitrary bytes, and a good order with one byte changed, as the order that a spare process takes or
// as a child's introduction: understood, or decode_error.
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <kin/core/error.hpp>

#include "process/start_order.hpp"

namespace {

using namespace kin::detail;

const std::vector<std::vector<std::byte>>& samples() {
  static const std::vector<std::vector<std::byte>> all = [] {
    start_order order;
    order.who = {child_role::process, "Process-1", "1", "MainProcess", "C", false, 1, "place"};
    std::vector<std::vector<std::byte>> made;
    made.push_back(encode_introduction(order.who).bytes);
    made.push_back(encode_order(order).bytes);
    order.environment = {"A=1", "B=2"};
    order.working_directory = "/";
    order.limits = {{RLIMIT_CORE, {0, 0}}};
    order.affinity = {0, 1};
    made.push_back(encode_order(order).bytes);
    return made;
  }();
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  const auto* rest = reinterpret_cast<const std::byte*>(data + 4);
  std::vector<std::byte> bytes;
  if (data[0] % 2 == 0) {
    bytes.assign(rest, rest + (size - 4));
  } else {
    bytes = samples()[data[1] % samples().size()];
    bytes[(data[2] + 256U * data[3]) % bytes.size()] ^= size > 4 ? rest[0] : std::byte{1};
  }
  try {
    if (data[0] % 4 < 2)
      (void)decode_order({std::move(bytes), {}});
    else
      (void)decode_introduction({std::move(bytes), {}});
  } catch (const kin::decode_error&) {
  }
  return 0;
}
