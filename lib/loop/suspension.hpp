#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>
#include <asio/execution/outstanding_work.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>
#include <asio/use_awaitable.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

namespace coproc::detail {

/// @returns operation_aborted; a std::bad_alloc if there is no memory for that.
inline std::exception_ptr aborted() noexcept {
  try {
    return std::make_exception_ptr(std::system_error(asio::error::operation_aborted));
  } catch (...) {
    return std::current_exception();
  }
}

/// A coroutine that is suspended until somebody completes it with a T or an exception, once. Completing posts
/// it to its own executor, so that it never runs inside of the call that completes it. Until then it counts
/// as work of its event loop. Dropping it destroys the coroutine.
template <class T>
class suspension {
public:
  using signature = void(std::exception_ptr, T);
  using handler_type = typename asio::async_result<asio::use_awaitable_t<>, signature>::handler_type;

  explicit suspension(handler_type handler)
      : work_(
            asio::prefer(asio::get_associated_executor(handler), asio::execution::outstanding_work.tracked)),
        handler_(std::move(handler)) {}

  void complete(T value) { post(nullptr, std::move(value)); }
  void fail(std::exception_ptr error) { post(std::move(error), T()); }

  asio::any_io_executor executor() const { return work_; }

  /// Calls @p on_cancel(cancellation_type) for as long as @p owner lives. To be called before anything can
  /// complete it.
  template <class Owner, class Function>
  void on_cancellation(const std::shared_ptr<Owner>& owner, Function on_cancel) {
    asio::cancellation_slot slot = asio::get_associated_cancellation_slot(handler_);
    if (!slot.is_connected()) return;
    slot.assign([weak = std::weak_ptr<Owner>(owner), on_cancel](asio::cancellation_type_t type) {
      if (std::shared_ptr<Owner> alive = weak.lock()) on_cancel(*alive, type);
    });
  }

private:
  void post(std::exception_ptr error, T value) {
    asio::any_io_executor executor = std::move(work_);
    asio::post(executor,
               [handler = std::move(handler_), error = std::move(error), value = std::move(value)]() mutable {
                 handler(std::move(error), std::move(value));
               });
  }

  asio::any_io_executor work_;
  handler_type handler_;
};

/// Suspends the calling coroutine and hands its suspension to @p start.
template <class T, class Start>
asio::awaitable<T> suspend(Start start) {
  return asio::async_initiate<const asio::use_awaitable_t<>, typename suspension<T>::signature>(
      [start = std::move(start)](auto handler) mutable {
        // This closure lives in the frame of the coroutine that it suspends: what it owned would keep that
        // alive, and could be destroyed while it runs, by another thread that resumes the coroutine.
        Start once = std::move(start);
        once(suspension<T>(std::move(handler)));
      },
      asio::use_awaitable);
}

} // namespace coproc::detail
