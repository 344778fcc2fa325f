// SPDX-License-Identifier: BSL-1.0
// family_request_fuzz: whatever a member says to the root of its family, it is answered or its socket is closed; what
// it is given lies within the memory that there is. The input is a list of requests.
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <kin/core/error.hpp>

#include "memory/supervisor.hpp"
#include "os/named_memory.hpp"
#include "os/packet.hpp"
#include "os/pidfd.hpp"

#include "steps.hpp"

namespace {

using namespace kin::detail;

struct step {
  std::uint8_t what, files, size, small;
  std::uint32_t offset;
  std::uint64_t value;
};
static_assert(sizeof(step) == 16);

// Refused with os_error, as where memory is short; so a long run does not fill it.
supervisor& root() {
  static supervisor& the = []() -> supervisor& {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit most{std::uint64_t{64} << 20, std::uint64_t{64} << 20};
    if (::setrlimit(RLIMIT_FSIZE, &most) != 0) __builtin_trap();
    return *new supervisor;
  }();
  return the;
}

// Whoever joins is buried at once, with what was given to it: members and descriptors do not run out.
kin::unique_fd somebody_dead() {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(0);
  return kin::os::open_pidfd(pid);
}

// One that fills its room to the end, without a zero.
const std::vector<std::string>& names() {
  static const std::vector<std::string> all{"/kin-fuzz", "/" + std::string(span_name_size - 1, 'x')};
  return all;
}

family_request request_of(const step& s) {
  family_request asked{};
  asked.what = static_cast<family_request::verb>(s.what % 10);
  asked.member = s.small % 4;
  switch (s.size % 4) {
    case 0:
      asked.number = s.value;
      break;
    case 1:  // as a chunk's size and stride look
      asked.number = (s.value >> 32) % (std::uint64_t{1} << 21) << 32 | s.value % 70'000 / 64 * 64;
      break;
    default:
      asked.number = s.value % 65536;
  }
  // Each costs a descriptor for as long as the object is polled.
  if (asked.what == family_request::verb::flag) asked.number = asked.number % 32 * 32;
  asked.owner = {s.offset % 4096 * 64, s.small % 8U};
  asked.size = s.small % 8 == 0 ? s.value : s.value % 100'000;
  if (s.files % 16 < 2) names()[s.files % 16].copy(asked.name, sizeof asked.name);
  return asked;
}

void ask(supervisor& the, const step& s) {
  const family_request asked = request_of(s);
  auto [mine, theirs] = kin::os::packet_pair();
  std::vector<int> sent{theirs.get()};
  static const kin::unique_fd dead = somebody_dead();
  for (int i = 0; i < s.files / 16 % 4; ++i) sent.push_back(i % 2 == 0 ? dead.get() : 0);
  const std::size_t size = s.size % 32 == 31 ? s.offset % sizeof asked : sizeof asked;
  if (!kin::os::send_packet(the.link(), std::as_bytes(std::span(&asked, 1)).first(std::max<std::size_t>(size, 1)), sent,
                            kin::os::packet_wait::block))
    __builtin_trap();
  theirs.reset();
  family_answer answer{};
  const auto got =
      kin::os::recv_packet(mine.get(), std::as_writable_bytes(std::span(&answer, 1)), kin::os::packet_wait::block);
  if (got.size == 0) return;
  if (got.size != sizeof answer) __builtin_trap();
  if (answer.error == 0 && asked.what == family_request::verb::chunk &&
      answer.offset + (asked.number >> 32) > the.table()->arena_end.load())
    __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  supervisor& the = root();
  if (size > 64 * sizeof(step)) return 0;
  kin_fuzz::each_step<step>(data, size, [&](const step& s) { ask(the, s); });
  the.remove_names();
  for (const std::string& name : names()) (void)kin::os::unlink_named_memory(name);  // forgotten, as was asked for
  return 0;
}
