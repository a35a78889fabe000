#pragma once

#include <coproc/connection_closed.hpp>
#include <coproc/detail/connection_core.hpp>
#include <coproc/duration.hpp>
#include <coproc/wire.hpp>

#include <asio/awaitable.hpp>

#include <concepts>
#include <cstddef>
#include <new>
#include <span>
#include <utility>

namespace coproc {

/// One end of a two-way pipe for values, which can be in two processes: send() takes a @p Send, recv() gives
/// what the other end sent, a @p Recv. make_pipe() makes both ends.
///
///     auto [mine, its] = coproc::make_pipe<question, answer>();
///     coproc::process p{coproc::target<oracle>, std::move(its)};   // connection<answer, question>
///
/// An end crosses as an argument, as a member of a struct, or through another connection, and is closed here
/// by that. A value arrives whole or not at all, whenever its sender is killed; those of one end in the order
/// in which they were sent. Values of more than 64 KiB go by shared memory; the receiver that is behind makes
/// the sender wait. Such values, and handles, are descriptors while they are on their way, of which all
/// processes of an ordinary user can have RLIMIT_NOFILE (ETOOMANYREFS, unix(7)): the sender waits for that,
/// too.
///
/// **Errors**: what comes from a process that does not send a Recv is a `wire::error`; failures of the system
/// are `std::system_error`; the use of an end that is empty (default-constructed, moved from) or has gone to
/// another process is a `std::logic_error`, and so is sending one away that a coroutine waits on. A value for
/// which the receiving process has no descriptor left stays there: that recv is a `std::system_error`
/// (EMFILE), and the next one may succeed. The room is looked at once a millisecond; a value that finds less
/// than it needs in between is lost, as the kernel keeps none that it could not hand over; so is one that
/// memory runs out for after it has been taken (ENOMEM). So that nobody goes on without it, that closes this
/// end, and all later operations on it have that error, too. After a wire::error, or another exception of the
/// class of the value, the next recv gives the next value.
/// **Cancellation** of all waiting forms: terminal, partial and total; a cancelled send has sent nothing, a
/// cancelled recv has taken nothing.
/// **Destruction**, and close(): the other end receives what was sent, and then gets connection_closed;
/// coroutines that wait on this end complete with `operation_aborted`.
/// **Execution context**: that of the first awaited operation; another one is a `std::logic_error`. The
/// blocking forms have none.
/// **Thread safety**: one strand or thread at a time. Any number of coroutines may wait at once; which of two
/// that wait for the same is served first is not defined.
///
/// A child made by start_method::fork with a fork_target has copies of all ends that the host has open, so an
/// end is closed when both have closed it; it has none that are on their way to another process. One with a
/// target has those that are arguments, and no others.
template <class Send, class Recv = Send>
class connection {
public:
  /// An empty end.
  connection() = default;
  connection(connection&&) noexcept = default;
  connection& operator=(connection&&) noexcept = default;

  /// Sends a value, which is encoded at the call, as soon as there is room for it.
  /// @throws connection_closed if the other end is closed.
  asio::awaitable<void> send(const Send& value) requires std::copy_constructible<Send> {
    return core_.send(encoded(value));
  }
  asio::awaitable<void> send(Send&& value) { return core_.send(encoded(value)); }
  /// Receives the next value, as soon as it is there.
  /// @throws connection_closed at the end.
  asio::awaitable<Recv> recv() { return decoded(core_.recv()); }

  /// Waits for so long until recv() would not wait. @returns whether it would not; true at the end as well.
  asio::awaitable<bool> poll(duration limit) { return core_.poll(limit); }

  /// The same for plain functions: these block the thread.
  void blocking_send(const Send& value) requires std::copy_constructible<Send> {
    detail::message bytes = encoded(value);
    core_.blocking_send(bytes);
  }
  void blocking_send(Send&& value) {
    detail::message bytes = encoded(value);
    core_.blocking_send(bytes);
  }
  Recv blocking_recv() {
    detail::received_message got = core_.blocking_recv();
    return decode(got);
  }
  bool blocking_poll(duration limit) { return core_.blocking_poll(limit); }

  /// Closes this end. Harmless if that has been done.
  void close() noexcept { core_.close(); }
  /// @returns whether this end is open; it may be so after the other one was closed.
  bool is_open() const noexcept { return core_.is_open(); }

  // For wire.
  template <std::same_as<wire::output_archive> Archive>
  void save(Archive& archive) const {
    archive.attach(core_.release());
  }
  template <std::same_as<wire::input_archive> Archive>
  void load(Archive& archive) {
    core_ = detail::connection_core(archive.take());
  }

private:
  template <class S, class R>
  friend std::pair<connection<S, R>, connection<R, S>> make_pipe();
  explicit connection(detail::connection_core core) : core_(std::move(core)) {}

  static detail::message encoded(const Send& value) {
    detail::message bytes;
    wire::encode(bytes, value);
    return bytes;
  }

  static Recv decode(detail::received_message& got) {
    try {
      std::span<const std::byte> bytes = got.bytes;
      Recv value = wire::decode<Recv>(bytes, &got.body);
      if (!bytes.empty()) wire::impl::throw_left_over(bytes.size());
      return value;
    } catch (const std::bad_alloc&) {
      got.lose();
    }
  }

  static asio::awaitable<Recv> decoded(asio::awaitable<detail::received_message> next) {
    detail::received_message got = co_await std::move(next);
    co_return decode(got);
  }

  detail::connection_core core_;
};

namespace detail {
template <class Send, class Recv>
inline constexpr bool is_handle<connection<Send, Recv>> = true;
} // namespace detail

} // namespace coproc
