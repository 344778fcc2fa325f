// SPDX-License-Identifier: BSL-1.0
// object_handle: handles, how they cross, and one call through them; see the header.
#include <kin/manager/object_handle.hpp>

#include <algorithm>

#include <kin/core/error.hpp>
#include <kin/os/duplicate.hpp>
#include <kin/wire/outcome.hpp>

#include "manager/exchange_scope.hpp"
#include "manager/object_reference.hpp"
#include "manager/object_table.hpp"
#include "os/lifeline.hpp"

namespace kin::detail {
namespace {

enum class form : unsigned char {
  empty,
  within,      // in a message between the server and a client: the number says it all
  travelling,  // anywhere else: with the door, and a token that keeps the object
};

// What a message to a client names is the client's, too, as soon as it is sent. A message that is given up half encoded
// drops what it carries.
class grant final : public passenger {
 public:
  grant(exchange_scope& scope, const std::shared_ptr<hosted>& object) : scope_(scope), object_(object.get()) {
    scope.granted.push_back(object);
  }
  ~grant() override {
    auto& all = scope_.granted;
    const auto mine = std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.get() == object_; });
    if (mine != all.end()) all.erase(mine);
  }
  void arrive() noexcept override {}

 private:
  exchange_scope& scope_;
  const hosted* object_;
};

}  // namespace

object_reference::object_reference(std::shared_ptr<server_link> link, std::uint64_t number) noexcept
    : number_(number), link_(std::move(link)), generation_(process_generation()) {}

object_reference::object_reference(std::shared_ptr<hosted> object) noexcept
    : number_(object->number), local_(std::move(object)), generation_(process_generation()) {}

object_reference::~object_reference() {
  if (local_) return;
  if (generation_.load(std::memory_order_acquire) != process_generation())
    bury(std::move(link_));
  else if (number_ != the_server)
    link_->release(number_);
}

server_id object_reference::server() const noexcept {
  return local_ ? object_table::here()->server() : link_->server();
}

const std::shared_ptr<server_link>& object_reference::link() const {
  // Acquire pairs with the release below: who sees the generation sees its link.
  if (generation_.load(std::memory_order_acquire) != process_generation()) adopt_in_forked_copy();
  return link_;
}

void object_reference::adopt_in_forked_copy() const {
  const std::lock_guard hold(adoption_mutex());
  if (generation_.load(std::memory_order_relaxed) == process_generation()) return;
  auto fresh = link_to(link_->server(), os::duplicate(link_->door()));
  if (number_ != the_server && !fresh->adopt_and_wait(number_))
    throw closed_error(
        "kin: the manager's object is gone: the process that this one is a copy of gave it up before its copy used it");
  bury(std::exchange(link_, std::move(fresh)));
  generation_.store(process_generation(), std::memory_order_release);
}

const object_reference& object_handle::get() const {
  if (!reference_) throw closed_error("kin: this proxy names no object (default-made or moved from)");
  return *reference_;
}

std::uint64_t object_handle::number() const { return get().number(); }

void object_handle::encode(writer& out) const {
  if (!reference_) return out.put(form::empty);
  const auto& local = reference_->local();
  exchange_scope* const scope = current_scope();
  const bool within = scope && scope->server == reference_->server() && (local != nullptr) == (scope->link == nullptr);
  if (within) {
    out(form::within, reference_->number());
    if (local) out.carry(std::make_unique<grant>(*scope, local));
    return;
  }
  auto [pipe, token] = os::make_lifeline();
  out(form::travelling, reference_->server(), reference_->number());
  if (local) {
    out.fd(object_table::here()->door());
    object_table::here()->hold(local, std::move(pipe));
  } else {
    const auto& link = reference_->link();
    out.fd(link->door());
    try {
      link->hold(reference_->number(), std::move(pipe));
    } catch (const closed_error&) {
      // Where the server has ended whoever uses the proxy will be told.
      if (!link->ended()) throw;
    }
  }
  out.fd(token.get());
}

object_handle object_handle::decode(reader& in) {
  const auto how = in.take<form>();
  if (how == form::empty) return {};
  if (how == form::within) {
    const exchange_scope* scope = current_scope();
    if (!scope) throw decode_error("kin: cannot read this message: it names an object of a server it is not from");
    const auto number = in.take<std::uint64_t>();
    if (scope->link) return object_handle(std::make_shared<object_reference>(scope->link, number));
    return object_handle(std::make_shared<object_reference>(object_table::here()->find(number)));
  }
  if (how != form::travelling) throw decode_error("kin: cannot read this message: a proxy is damaged");
  const auto server = in.take<server_id>();
  const auto number = in.take<std::uint64_t>();
  unique_fd door = in.fd();
  unique_fd token = in.fd();
  if (auto* table = object_table::here(); table && table->server() == server)
    return object_handle(std::make_shared<object_reference>(table->find(number)));
  if (number == object_reference::the_server) throw decode_error("kin: cannot read this message: a proxy is damaged");
  auto link = link_to(server, std::move(door));
  try {
    link->adopt(number, std::move(token));
  } catch (const closed_error&) {
    // As above. One that lives does not know of this reference, and may give the object up.
    if (!link->ended()) throw;
  }
  return object_handle(std::make_shared<object_reference>(std::move(link), number));
}

bool operator==(const object_handle& a, const object_handle& b) noexcept {
  if (!a.reference_ || !b.reference_) return a.reference_ == b.reference_;
  return a.reference_->number() == b.reference_->number() && a.reference_->server() == b.reference_->server();
}

exchange_scope*& current_scope() noexcept {
  thread_local exchange_scope* innermost = nullptr;
  return innermost;
}

outside_exchange::outside_exchange() noexcept : suspended_(std::exchange(current_scope(), nullptr)) {}
outside_exchange::~outside_exchange() { current_scope() = suspended_; }

exchange::exchange(const object_handle& with)
    : with_(&with.get()),
      scope_(new exchange_scope{with_->server(), with_->local() ? nullptr : with_->link(), {}, current_scope()}) {
  current_scope() = scope_.get();
}

exchange::~exchange() { current_scope() = scope_->outer; }

parcel exchange::run(parcel request) {
  if (with_->local()) return run_request(std::move(request));
  return scope_->link->run(request);
}

const std::string& exchange::server_name() {
  static const std::string name = "a manager's server";
  return name;
}

}  // namespace kin::detail
