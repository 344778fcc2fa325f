// SPDX-License-Identifier: BSL-1.0
// server_session: see the header. Whatever the bytes: an answer, or the end of the session.
#include "manager/server_session.hpp"

#include <exception>
#include <span>

#include <kin/core/error.hpp>
#include <kin/wire/codec.hpp>
#include <kin/wire/outcome.hpp>

#include "manager/exchange_scope.hpp"
#include "manager/session_frames.hpp"

namespace kin::detail {

void server_session::serve(const std::atomic<bool>& over) noexcept {
  try {
    while (!over.load()) take_frame();
  } catch (const std::exception&) {
    // closed_error is how a client goes; the rest (damaged frames, no descriptors or memory left) costs this session,
    // and the client sees its end. There is nobody else to tell.
  }
}

void server_session::take_frame() {
  const std::uint64_t what = link_.next().signature;
  parcel message = link_.take();
  if (what == request_frame) return answer(std::move(message));
  reader in(message);
  const auto object = table_.look_up(in.take<std::uint64_t>());
  in.finish();
  switch (what) {
    case hold_frame:
      if (message.fds.size() > 1) throw decode_error("kin: a manager's client holds with more than a pipe");
      if (!object) return;
      // Without a descriptor left for the pipe, when it hangs up will not be known: kept while the client is there.
      if (message.fds.empty()) return client_->add(object);
      return table_.hold(object, std::move(message.fds[0]));
    case adopt_frame:
      if (object) client_->add(object);
      return;
    case adopt_and_answer_frame: {
      const std::byte known{static_cast<unsigned char>(object != nullptr)};
      if (object) client_->add(object);
      return link_.send(adopt_and_answer_frame, std::span(&known, 1));
    }
    case release_frame:
      if (object) client_->release(object->number);
      return;
    default:
      throw decode_error("kin: a manager's client says something unknown");
  }
}

void server_session::answer(parcel request) {
  exchange_scope scope{table_.server(), nullptr, {}, nullptr};
  const entered_scope entered(scope);
  parcel outcome = run_request(std::move(request));
  for (const auto& object : scope.granted) client_->add(object);
  link_.send(session_answer_frame, outcome.bytes, outcome.fds);
  outcome.arrived();
}

}  // namespace kin::detail
