// SPDX-License-Identifier: BSL-1.0
// queue: items from any number of producers to any number of consumers, processes and threads. A thin typed view of
// detail::item_queue.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include <kin/core/count.hpp>
#include <kin/core/deadline.hpp>
#include <kin/core/error.hpp>
#include <kin/queue/item_queue.hpp>
#include <kin/queue/may_have_descriptors.hpp>
#include <kin/wire/codec.hpp>
#include <kin/wire/copyable.hpp>

namespace kin {

namespace detail {
/// What a T can be made of: as an argument, a std::string of a string_view, too.
template <class U, class T>
concept item_for = std::convertible_to<U, T> || std::convertible_to<stored_t<U>, T>;
}  // namespace detail

/// A queue of values between processes. A handle: copies, in this process and in others, name the same queue, which
/// lives as long as the last of them. Sent by being an argument, a captured value of a fork, a message, an item.
///
/// There is no feeder thread: when a put returns, the item is with the queue, and its producer may exit or be killed. A
/// process that is killed at any point of a put or get holds nobody up and leaves no half item; what a killed consumer
/// had just taken is gone with it. Items of one producer keep their order. The queue closes by close() only, not when
/// producers end. Memory of items that were taken is used for new ones, and is freed with the queue.
///
/// Safe with any number of threads and processes, and after fork in both. Methods are const because they do not change
/// which queue this is. Every method may throw os_error or, when a process has scribbled over the memory, decode_error.
template <class T>
class queue {
  static_assert(std::is_same_v<T, std::remove_cvref_t<T>> && !std::is_void_v<T>,
                "kin: a queue is of plain values: queue<T>, not of T&, const T or void");

 public:
  using value_type = T;
  using kin_handle = void;

  /// An unbounded queue. Throws os_error (EMFILE, ENOMEM).
  queue() : queue(count(0)) {}
  /// A queue of at most `capacity` items: put waits for room. 0 is unbounded.
  explicit queue(count capacity) {
    check_sendable<T>();
    items_ = std::make_shared<detail::item_queue>(type_signature<T>(), capacity, in_items);
  }
  queue(const queue&) noexcept = default;  // moving copies: a handle is never empty
  queue& operator=(const queue&) noexcept = default;
  ~queue() = default;

  /// Appends an item, waiting while a bounded queue is full. Takes what a T can be made from ("text", or a string_view,
  /// for std::string).
  /// Move-only items, and items that own descriptors or connections, are put by std::move: afterwards the queue owns
  /// them. Throws closed_error; whatever encoding throws; os_error when there is no memory for it, or no more room in
  /// the kernel for its descriptors. Nothing is put then, and a moved item keeps its value, unless it is no T and kin
  /// does not know how to copy it: a unique_ptr for a shared_ptr, a class with a codec.
  template <class U = T>
    requires detail::item_for<U, T>
  void put(U&& item) const {
    (void)put_before(std::forward<U>(item), deadline::never(), "put");
  }
  /// The same without waiting; false: the queue is full.
  template <class U = T>
    requires detail::item_for<U, T>
  bool try_put(U&& item) const {
    return put_before(std::forward<U>(item), deadline::now(), "try_put");
  }
  /// The same, waiting at most `timeout`; false: the queue was full all the time.
  template <class U = T, class Rep, class Period>
    requires detail::item_for<U, T>
  bool put_for(U&& item, std::chrono::duration<Rep, Period> timeout) const {
    return put_before(std::forward<U>(item), deadline::after(timeout), "put_for");
  }
  template <class U = T, class Clock, class Duration>
    requires detail::item_for<U, T>
  bool put_until(U&& item, std::chrono::time_point<Clock, Duration> when) const {
    return put_before(std::forward<U>(item), deadline::at(when), "put_until");
  }

  /// Takes the first item, waiting for one. Throws closed_error when the queue is closed and empty; decode_error for an
  /// item that cannot be decoded, which is then gone; os_error(EMFILE) when there is no room for an item's descriptors,
  /// which then stays.
  T get() const {
    if constexpr (as_it_is) {
      T item;
      if (take_as_it_is(*items_, item, deadline::never()) == detail::queue_answer::closed)
        detail::throw_closed_queue("get");
      return item;
    } else {
      return *get_before(deadline::never(), "get");
    }
  }
  /// The same without waiting; nothing when the queue is empty.
  std::optional<T> try_get() const { return get_before(deadline::now(), "try_get"); }
  /// The same, waiting at most `timeout`; nothing when none came.
  template <class Rep, class Period>
  std::optional<T> get_for(std::chrono::duration<Rep, Period> timeout) const {
    return get_before(deadline::after(timeout), "get_for");
  }
  template <class Clock, class Duration>
  std::optional<T> get_until(std::chrono::time_point<Clock, Duration> when) const {
    return get_before(deadline::at(when), "get_until");
  }

  /// How many items wait, which others may change at any time.
  [[nodiscard]] std::size_t size() const { return items_->size(); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] bool full() const { return capacity() != 0 && size() >= capacity(); }
  /// 0: unbounded.
  [[nodiscard]] std::size_t capacity() const noexcept { return items_->capacity(); }

  /// Takes no more items: every put, waiting ones too, throws closed_error. What is in it can be got; then every get
  /// throws closed_error. Idempotent.
  void close() const { items_->close(); }
  [[nodiscard]] bool closed() const { return items_->closed(); }

  /// For poll, epoll and kin::wait: readable (level-triggered) while an item waits or the queue is closed. Kept up to
  /// date from the first call on, by all who use the queue. Only to be waited on; not to be closed by the caller. The
  /// item may be gone when one comes for it: use try_get.
  [[nodiscard]] int native_handle() const { return items_->native_handle(); }

  /// `for (T& item : jobs)` gets items, waiting for them, until the queue is closed and empty. Each is its consumer's
  /// alone: several loops over one queue share its items.
  class iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using difference_type = std::ptrdiff_t;
    using value_type = T;

    explicit iterator(const queue& of) : items_(of.items_) { ++*this; }
    [[nodiscard]] T& operator*() const noexcept { return *item_; }
    [[nodiscard]] T* operator->() const noexcept { return &*item_; }
    iterator& operator++() {
      item_.reset();
      item_ = take(*items_, deadline::never()).item;
      return *this;
    }
    void operator++(int) { ++*this; }
    [[nodiscard]] friend bool operator==(const iterator& i, std::default_sentinel_t) noexcept { return !i.item_; }

   private:
    std::shared_ptr<detail::item_queue> items_;
    mutable std::optional<T> item_;
  };
  [[nodiscard]] iterator begin() const { return iterator(*this); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

  /// True when both name the same queue. Where items may have descriptors, handles that came by different ways differ.
  [[nodiscard]] friend bool operator==(const queue& a, const queue& b) noexcept {
    return a.items_ == b.items_ || a.items_->same_as(*b.items_);
  }

 protected:
  friend struct codec<queue<T>>;
  explicit queue(reader& from) : items_(std::make_shared<detail::item_queue>(type_signature<T>(), in_items, from)) {}
  [[nodiscard]] detail::item_queue& items() const noexcept { return *items_; }

 private:
  // Its type is written out, so that it is asked for where T is complete: T may have queues of T.
  static constexpr detail::item_queue::descriptors in_items =
      detail::may_have_descriptors<T> ? detail::item_queue::descriptors::some : detail::item_queue::descriptors::none;

  struct taken {
    detail::queue_answer answer;
    std::optional<T> item;
  };
  // Such a T lies in the queue as it lies in memory, and needs no encoding.
  static constexpr bool as_it_is =
      detail::is_flat<T> && std::is_trivially_copyable_v<T> && std::is_default_constructible_v<T>;

  static detail::queue_answer take_as_it_is(detail::item_queue& from, T& into, const deadline& until) {
    if (from.get_at_once(std::as_writable_bytes(std::span(&into, 1)))) return detail::queue_answer::done;
    std::vector<unique_fd> none;
    return from.get(detail::item_target(std::as_writable_bytes(std::span(&into, 1))), none, until);
  }
  static taken take(detail::item_queue& from, const deadline& until) {
    if constexpr (as_it_is) {
      taken result{detail::queue_answer::done, std::optional<T>(std::in_place)};
      result.answer = take_as_it_is(from, *result.item, until);
      if (result.answer != detail::queue_answer::done) result.item.reset();
      return result;
    }
    detail::parcel message = detail::item_parcel();
    taken result{from.get(detail::item_target(message.bytes), message.fds, until), std::nullopt};
    if (result.answer == detail::queue_answer::done) {
      reader in(message);
      result.item.emplace(in.take<T>());
      in.finish();
    }
    detail::give_back(message);
    return result;
  }
  std::optional<T> get_before(const deadline& until, const char* operation) const {
    taken result = take(*items_, until);
    if (result.answer == detail::queue_answer::closed) detail::throw_closed_queue(operation);
    return std::move(result.item);
  }

  template <class U>
  bool put_before(U&& item, const deadline& until, const char* operation) const {
    if constexpr (!std::is_same_v<T, std::remove_cvref_t<U>>) {
      const T made = [&]() -> T {
        using copied = const std::remove_cvref_t<U>&;  // the caller keeps it, should nothing be put
        if constexpr (std::is_arithmetic_v<std::remove_cvref_t<U>> && std::is_arithmetic_v<T>)
          return static_cast<T>(item);  // as the caller's own conversion would: no warning out of this header
        else if constexpr (detail::is_surely_copyable<std::remove_cvref_t<U>> && std::convertible_to<copied, T>)
          return static_cast<copied>(item);
        else if constexpr (std::convertible_to<U, T>)
          return std::forward<U>(item);
        else
          return stored_t<U>(std::forward<U>(item));
      }();
      return put_encoded(made, until, operation);
    } else {
      static_assert(
          detail::is_copyable<T> || !(std::is_lvalue_reference_v<U> || std::is_const_v<std::remove_reference_t<U>>),
          "kin: this item is move-only; write queue.put(std::move(item))");
      if (!put_encoded(item, until, operation)) return false;
      if constexpr (!std::is_lvalue_reference_v<U> && !std::is_const_v<U> && std::is_class_v<T>) {
        [[maybe_unused]] const T given_away = std::forward<U>(item);  // closes what the queue now owns
      }
      return true;
    }
  }
  bool put_encoded(const T& item, const deadline& until, const char* operation) const {
    const auto answer = [&] {
      if constexpr (as_it_is)
        return items_->put_at_once(std::as_bytes(std::span(std::addressof(item), 1)))
                   ? detail::queue_answer::done
                   : items_->put(std::as_bytes(std::span(std::addressof(item), 1)), {}, until);
      writer out = detail::item_writer();
      out.put(item);
      detail::parcel message = out.take();
      const auto given = items_->put(message.bytes, message.fds, until);
      if (given == detail::queue_answer::done) message.arrived();
      detail::give_back(message);
      return given;
    }();
    if (answer == detail::queue_answer::closed) detail::throw_closed_queue(operation);
    return answer == detail::queue_answer::done;
  }

  std::shared_ptr<detail::item_queue> items_;
};

/// Crosses as duplicates of the queue's descriptors.
template <class T>
struct codec<queue<T>> {
  using has_descriptors_as = T;  // a queue of what may have some is made of sockets
  static void encode(writer& out, const queue<T>& value) { value.items().encode(out); }
  static queue<T> decode(reader& in) { return queue<T>(in); }
  static void describe(structure& s) { s.group<T>("queue<", ">"); }
};

}  // namespace kin
