// SPDX-License-Identifier: BSL-1.0
// What a connection can do beside send and recv: poll, raw bytes, a buffer of one's own, and the end of it all.
#include <array>
#include <chrono>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <kin/pipe.hpp>
#include <kin/process.hpp>

using namespace std::chrono_literals;

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }
std::string text(std::span<const std::byte> m) { return {reinterpret_cast<const char*>(m.data()), m.size()}; }

void echo(kin::connection con) {
  try {
    for (;;) con.send_bytes(con.recv_bytes());
  } catch (const kin::closed_error&) {  // Python's EOFError
    std::cout << "echo: the other end is closed\n";
  }
}

int main() {
  kin::init();
  auto [con, other] = kin::pipe();
  kin::process p1(echo, std::move(other));

  std::cout << std::boolalpha << "poll(): " << con.poll() << '\n';
  con.send_bytes(bytes("hello, world"));
  std::cout << "poll(10s): " << con.poll(10s) << '\n' << text(con.recv_bytes()) << '\n';

  con.send_bytes(bytes("hello, world"), 7);     // from byte 7 to the end
  con.send_bytes(bytes("hello, world"), 7, 3);  // three bytes from there
  std::cout << text(con.recv_bytes()) << ' ' << text(con.recv_bytes()) << '\n';
  try {
    con.send_bytes(bytes("hello, world"), 7, 6);
  } catch (const std::out_of_range& e) {  // nothing is sent
    std::cout << "out of range: " << e.what() << '\n';
  }
  con.send_bytes(bytes("a rather long message"));
  try {
    (void)con.recv_bytes(10);
  } catch (const kin::os_error& e) {  // the message stays
    std::cout << "more than 10 bytes: " << e.what() << '\n';
  }
  std::array<std::byte, 12> buffer{};
  try {
    con.recv_bytes_into(buffer);
  } catch (const kin::buffer_too_short& e) {  // carries the message
    std::cout << "more than 12 bytes: " << text(e.message()) << '\n';
  }
  con.send_bytes(bytes("short"));
  const std::size_t size = con.recv_bytes_into(buffer, 3);  // from byte 3 of the buffer on
  std::cout << text(std::span(buffer).subspan(3, size)) << '\n';
  con.close();
}
