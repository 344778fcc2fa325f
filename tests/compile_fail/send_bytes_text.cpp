// SPDX-License-Identifier: BSL-1.0
// send_bytes_text: text where bytes are taken.
// expect: kin: send_bytes takes a std::span<const std::byte>
// expect: std::as_bytes(std::span(data))
// errors: 1
#include <kin/pipe.hpp>

#include <string>

int main() {
  auto [a, b] = kin::pipe();
  a.send_bytes(std::string("text"));
}
