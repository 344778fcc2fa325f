// SPDX-License-Identifier: BSL-1.0
// manager_request_fuzz: whatever a client of a manager's server says, the session answers or ends, and the objects of
// others stay. The first bytes choose between noise, frames about references, and good requests, damaged or with other
// arguments.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <kin/manager.hpp>

#include "manager/object_table.hpp"
#include "manager/server_session.hpp"
#include "manager/session_frames.hpp"
#include "os/socket.hpp"

namespace {

using namespace kin::detail;
using words = list_object<std::string>;
using counts = dict_object<std::string, int>;

/// A server without a process: its table, with a list and a dict in it.
struct server {
  object_table table{{1, 2}, kin::unique_fd()};
  std::shared_ptr<hosted> list = std::make_shared<hosted_object<words>>(std::in_place);
  std::shared_ptr<hosted> dict = std::make_shared<hosted_object<counts>>(std::in_place);
  server() {
    object_table::set_here(&table);
    table.add(list);
    table.add(dict);
  }
  static server& get() {
    static auto* the = new server;
    return *the;
  }
};

template <class T, class Body, class... A>
std::vector<std::byte> request(const hosted& on, const A&... args) {
  return encode_call(object_call<T, Body>{}, target<T>{on.number}, args...).bytes;
}

const std::vector<std::vector<std::byte>>& samples() {
  const auto& s = server::get();
  const auto mix = [](int& n, int by) { n ^= by; };
  using mixer = callable_box<decltype(mix)>;
  static const std::vector<std::vector<std::byte>> all{
      request<words, method<words, &words::push_back>>(*s.list, "text"),
      request<words, method<words, &words::pop_back>>(*s.list),
      request<words, method<words, &words::get>>(*s.list, std::size_t{0}),
      request<words, method<words, &words::snapshot>>(*s.list),
      request<words, method<words, &words::extend>>(*s.list, std::vector<std::string>{"a", "b"}),
      request<words, method<words, &words::clear>>(*s.list),
      request<counts, method<counts, &counts::set>>(*s.dict, "key", 1),
      request<counts, counts::update>(*s.dict, std::string("key"), mixer{mix}, 2),
      request<counts, method<counts, &counts::try_pop>>(*s.dict, "key"),
      request<counts, method<counts, &counts::clear>>(*s.dict)};
  return all;
}

void say(channel& to, const std::uint8_t* data, std::size_t size) {
  const auto* rest = reinterpret_cast<const std::byte*>(data + 4);
  const std::span<const std::byte> bytes(rest, size - 4);
  const auto& good = samples()[data[1] % samples().size()];
  switch (data[0] % 4) {
    case 0:
      kin::os::send_all(to.native_handle(), bytes, {}, kin::deadline::never());
      return;
    case 1: {
      constexpr std::uint64_t kinds[] = {hold_frame, adopt_frame, adopt_and_answer_frame, release_frame, 0};
      const std::uint64_t number = data[2] % 4;
      to.send(kinds[data[1] % 5], size > 4 ? bytes : std::as_bytes(std::span(&number, 1)));
      return;
    }
    case 2: {
      auto damaged = good;
      damaged[(data[2] + 256U * data[3]) % damaged.size()] ^= size > 4 ? rest[0] : std::byte{1};
      to.send(request_frame, damaged);
      return;
    }
    default: {
      std::uint16_t place = 0;
      std::memcpy(&place, &good[8], sizeof place);
      std::vector<std::byte> changed(good.begin(), good.begin() + 10 + place);
      changed.insert(changed.end(), bytes.begin(), bytes.end());
      to.send(request_frame, changed);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4 || size > 4096) return 0;  // what fits into a socket's buffer: nobody reads meanwhile
  auto& s = server::get();
  auto [mine, theirs] = kin::os::socket_pair();
  {
    channel client(std::move(mine));
    say(client, data, size);
  }  // it has gone when the server begins, as one that was killed has
  const std::atomic<bool> over{false};
  server_session(s.table, channel(std::move(theirs)), std::make_shared<client_references>()).serve(over);
  if (s.table.size() != 2) __builtin_trap();
  if (s.list.use_count() != 1 + static_cast<long>(s.table.tokens())) __builtin_trap();
  auto& list = static_cast<hosted_object<words>&>(*s.list).value;
  if (list.size() > 1000) list.clear();
  auto& dict = static_cast<hosted_object<counts>&>(*s.dict).value;
  if (dict.size() > 1000) dict.clear();
  return 0;
}
