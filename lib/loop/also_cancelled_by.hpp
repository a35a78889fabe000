#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/co_spawn.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <memory>
#include <utility>

namespace coproc::detail {

/// Awaits @p operation, which the caller's cancellation ends, and @p signal as well.
template <class T>
asio::awaitable<T> also_cancelled_by(std::shared_ptr<asio::cancellation_signal> signal,
                                     asio::awaitable<T> operation) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
  struct forwarding {
    asio::cancellation_slot from;
    asio::cancellation_slot to;
    ~forwarding() {
      from.clear();
      to.clear(); // what is there holds the executor, and the signal may outlive its context
    }
  } forward{cancellation.slot(), signal->slot()};
  if (forward.from.is_connected())
    forward.from.assign([signal](asio::cancellation_type_t type) { signal->emit(type); });
  auto token = asio::bind_cancellation_slot(signal->slot(), asio::use_awaitable);
  co_return co_await asio::co_spawn(executor, std::move(operation), token);
}

} // namespace coproc::detail
