// SPDX-License-Identifier: BSL-1.0
// queue_fuzz: whatever another process writes into the memory of a queue, and whenever, its operations answer or throw
// a kin::error, and touch nothing else. Both kinds: in the family's arena, and in a memory file (where items may have
// descriptors). Locks are left alone: a living holder is waited for. The input is a list of steps.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include <kin/core/deadline.hpp>
#include <kin/core/error.hpp>
#include <kin/wire/codec.hpp>

#include "memory/family.hpp"
#include "os/memory_file.hpp"
#include "queue/item_store.hpp"
#include "queue/ring_queue.hpp"

#include "steps.hpp"

namespace {

using namespace kin::detail;
using kin_fuzz::step;

/// Plausible words are tried more often than wild ones.
std::uint64_t word_of(const step& s) { return s.size % 4 == 0 ? s.value : s.value % 70'000; }

std::vector<std::byte> item_of(const step& s) {
  return std::vector<std::byte>(s.offset % (s.size % 16 == 0 ? 300'000 : 100), std::byte{s.small});
}

class ring_under_test {
 public:
  ring_under_test() {
    kin::writer to(delivery::lent);
    queue_.encode(to);
    const parcel handle = to.take();
    reader_of_handle(handle);
  }

  void scribble(const step& s) {
    if (s.where % 2 == 0) {
      word(header_->tails[s.where / 2 % 2], s);
      return;
    }
    switch (s.where / 2 % 8) {
      case 0:
        return word(header_->heads[s.where / 16 % 2], s);
      case 1:
        return header_->tail.store(word_of(s));
      case 2:
        return header_->head.store(word_of(s));
      case 3:
        header_->seen_head.store(s.value);
        return header_->seen_tail.store(s.value % 7);
      case 4:
        return header_->total.store(word_of(s));
      case 5:
        return header_->done.store(word_of(s));
      default: {
        // A word of a segment: the first one's beginning, or the one that is said to be the head's.
        const std::uint64_t place = header_->heads[header_->head.load() & 1].segment.load();
        const std::uint64_t size = family::size_at(place);
        std::byte* base = size >= smallest_segment ? family::at(place, size) : nullptr;
        if (base == nullptr) return;
        auto* words = reinterpret_cast<std::uint64_t*>(base + sizeof(object_header));
        const std::size_t most = s.where / 16 % 2 == 0 ? 8 : (size - sizeof(object_header)) / 8;
        words[s.offset % most] = s.small % 16 == 0 ? jump : word_of(s);
      }
    }
  }
  void put(const step& s) { (void)queue_.put(item_of(s), {}, kin::deadline::now()); }
  void get(const step& s) {
    std::vector<std::byte> bytes(1 + s.offset % 64);
    std::vector<kin::unique_fd> fds;
    if (s.where % 2 == 0) {
      item_target into{std::span(bytes)};
      (void)queue_.get(into, fds, kin::deadline::now());
    } else {
      item_target into{bytes};
      (void)queue_.get(into, fds, kin::deadline::now());
    }
  }
  void ask(const step& s) {
    switch (s.where % 4) {
      case 0:
        (void)queue_.native_handle();
        break;
      case 1:
        (void)queue_.join(kin::deadline::now());
        break;
      case 2:
        try {
          queue_.task_done();
        } catch (const std::logic_error&) {
        }
        break;
      default:
        (void)queue_.closed();
    }
  }

 private:
  static void word(auto& ledger, const step& s) {
    reinterpret_cast<std::atomic<std::uint64_t>*>(&ledger)[s.offset % (sizeof ledger / 8)].store(word_of(s));
  }
  void reader_of_handle(const parcel& handle) {
    std::array<std::uint64_t, 4> parts;  // see object_ref::encode()
    if (handle.bytes.size() != sizeof parts) __builtin_trap();
    std::memcpy(parts.data(), handle.bytes.data(), sizeof parts);
    header_ = reinterpret_cast<ring_header*>(family::at(parts[1], parts[3] % (1 << 24)));
  }

  ring_queue queue_{1, 1000};
  ring_header* header_ = nullptr;
};

class store_under_test {
 public:
  void scribble(const step& s) {
    header& all = store_.header();
    if (s.where % 2 == 0) {
      auto* words = reinterpret_cast<std::uint64_t*>(&all.ledgers);
      words[s.offset % (sizeof all.ledgers / 8)] = s.size % 8 == 1 ? word_of(s) / 64 * 64 : word_of(s);
    } else if (s.where % 8 == 1) {
      all.current.store(static_cast<std::uint32_t>(s.value));
    } else {
      const std::size_t size = kin::os::memory_file_size(store_.file());
      if (size <= header_size) return;
      const kin::os::mapping file(store_.file(), size);
      const std::size_t most = std::min<std::size_t>(size - header_size, s.where % 8 == 3 ? 512 : size) / 8;
      auto* words = reinterpret_cast<std::uint64_t*>(file.data() + header_size);
      words[s.offset % most] = s.size % 8 == 1 ? word_of(s) / 64 * 64 : word_of(s);
    }
  }
  void put(const step& s) {
    ledger draft = store_.read();
    store_.append(draft, item_of(s), s.small % 4);
    store_.commit(draft);
  }
  void get(const step&) {
    ledger draft = store_.read();
    if (draft.count == 0) return;
    (void)store_.first(draft);
    store_.remove_first(draft);
    store_.commit(draft);
  }
  void ask(const step&) { (void)store_.first_tag(store_.read()); }

 private:
  item_store store_{1, 1000, true};
};

template <class Queue>
void run(const std::uint8_t* data, std::size_t size) {
  Queue queue;
  kin_fuzz::each_step<step>(data, size, [&](const step& s) {
    try {
      switch (s.what % 7) {
        case 0:
        case 1:
          queue.scribble(s);
          break;
        case 2:
        case 3:
          queue.put(s);
          break;
        case 4:
        case 5:
          queue.get(s);
          break;
        default:
          queue.ask(s);
      }
    } catch (const kin::error&) {
    }
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  if (data[0] % 2 == 0)
    run<ring_under_test>(data + 1, size - 1);
  else
    run<store_under_test>(data + 1, size - 1);
  return 0;
}
