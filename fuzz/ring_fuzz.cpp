// SPDX-License-Identifier: BSL-1.0
// ring_fuzz: whatever the process at the other end writes into a pipe's shared memory, and whenever, both ends work or
// throw a kin::error, and touch nothing else. The input is a list of steps: 8 bytes what and where, 8 what is written.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <kin/core/deadline.hpp>
#include <kin/core/error.hpp>
#include <kin/transport/block_claim.hpp>
#include <kin/transport/channel.hpp>
#include <kin/transport/message_stream.hpp>
#include <kin/wire/codec.hpp>

#include "memory/ring_frame.hpp"
#include "transport/ring_ends.hpp"
#include "transport/ring_wait.hpp"

#include "steps.hpp"

namespace {

using namespace kin::detail;
using kin_fuzz::step;

struct scribbled_pipe {
  std::shared_ptr<const ring_memory> memory;
  channel writer, reader;
  std::vector<block_claim> kept;

  explicit scribbled_pipe(ring_ends::pair ends)
      : memory(ends.first->memory()), writer(std::move(ends.first)), reader(std::move(ends.second)) {}
};

std::uint64_t& word_at(void* base, std::size_t size, std::uint32_t offset) {
  return reinterpret_cast<std::uint64_t*>(base)[offset % (size / 8)];
}

// A process that is named as about to ring is waited for, for a while: here it is nobody.
void forget_ringers(ring_control& control) {
  auto bell = control.reader_bell.load();
  if ((bell & bell_ringing) != 0) control.reader_bell.store(bell & ~bell_ringing);
}

void scribble(const scribbled_pipe& p, const step& s) {
  ring_control& control = p.memory->control(0);
  std::byte* data = p.memory->data(0);
  switch (s.where % 5) {
    case 0:
      word_at(&control, sizeof control, s.offset) = s.value;
      break;
    case 1:
      word_at(&p.memory->blocks(0), sizeof(block_table), s.offset) = s.value;
      break;
    case 2:
      word_at(data, ring_capacity(0), s.offset) = s.value;
      break;
    case 3:
      word_at(data, ring_data_size, s.offset) = s.value;
      break;
    default: {
      // A frame where the reader will look, which says that it is nearly anything.
      ring_place place(data);
      const std::uint64_t size = s.size % 4 == 0 ? s.value % (std::uint64_t{1} << frame_size_bits) : s.value % 9000;
      const std::uint64_t at = control.position.load() + (s.offset % 8 == 0 ? 8 * (s.offset % 64) : 0);
      place.word(at).store(frame_word(static_cast<frame_kind>(s.small % 8), size, s.size % 16 == 1 ? s.size / 16 : 0));
      place.word(at + 8).store(s.small % 2 != 0 ? raw_bytes : s.value % 20);
    }
  }
  forget_ringers(control);
}

void receive(scribbled_pipe& p, const step& s) {
  const auto now = kin::deadline::now();
  if (!p.reader.poll(now)) return;
  const frame_header& header = p.reader.next(now);
  if (p.reader.comes_in_parts() && s.size % 2 == 0) {
    message_stream message(p.reader, now);
    s.small % 2 == 0 ? (void)message.take<std::vector<std::uint32_t>>()
                     : (void)message.take<std::pair<std::string, std::vector<std::string>>>();
    return;
  }
  if (header.size >= trusted_allocation) return p.reader.close();  // would be allocated
  switch (s.where % 3) {
    case 0:
      if (p.kept.size() < 20)
        if (auto block = p.reader.take_block()) {
          p.kept.push_back(std::move(block));
          return;
        }
      break;
    case 1:
      if (header.descriptors == 0 && header.size <= 100'000) {
        std::vector<std::byte> room(static_cast<std::size_t>(header.size));
        return p.reader.take_into(room, now);
      }
      break;
    default:
      break;
  }
  (void)p.reader.take(now);
}

void send(scribbled_pipe& p, const step& s) {
  const auto now = kin::deadline::now();
  const std::size_t size = s.offset % (s.size % 8 == 0 ? 100'000 : 200);
  if (s.where % 3 == 0) {
    if (auto block = p.writer.lend(size)) {
      std::memset(block.bytes().data(), s.small, block.bytes().size());
      return p.writer.send_block(std::move(block), now);
    }
  }
  const std::vector<std::byte> bytes(size, std::byte{s.small});
  p.writer.send(s.where % 3 == 1 ? raw_bytes : 77, bytes, {}, now);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  scribbled_pipe p(ring_ends::make(ring_ends::directions::one));
  kin_fuzz::each_step<step>(data, size, [&](const step& s) {
    try {
      switch (s.what % 6) {
        case 0:
        case 1:
          scribble(p, s);
          break;
        case 2:
        case 3:
          receive(p, s);
          break;
        case 4:
          send(p, s);
          break;
        default:
          if (s.where % 2 == 0)
            p.kept.clear();
          else if (!p.reader.closed())
            (void)p.reader.native_handle();
      }
    } catch (const kin::error&) {
    }
  });
  return 0;
}
