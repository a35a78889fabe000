#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/buffer.hpp>
#include <asio/dispatch.hpp>
#include <asio/error_code.hpp>
#include <asio/execution/outstanding_work.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace coproc::detail {

/// A completion handler for `void(error_code, size_t)` of any type, behind one pointer, so that the
/// operations of the streams can be compiled once. Move-only. It keeps the handler's executor busy
/// (outstanding work) until it is invoked or dropped.
class io_completion {
public:
  /// @param own the stream's executor.
  template <class Handler>
  io_completion(Handler handler, const asio::any_io_executor& own)
      : impl_(std::make_unique<holder<Handler>>(std::move(handler), own)) {}

  /// Has the handler invoked by its associated executor, once; not inside of this call.
  void operator()(asio::error_code error, std::size_t size) {
    std::exchange(impl_, nullptr)->complete(error, size);
  }

  /// @returns the handler's cancellation slot, which may be unconnected.
  asio::cancellation_slot slot() const { return impl_->slot(); }
  /// @returns the executor that the handler will run on.
  asio::any_io_executor executor() const { return impl_->executor(); }

private:
  struct base {
    virtual ~base() = default;
    virtual void complete(asio::error_code, std::size_t) = 0;
    virtual asio::cancellation_slot slot() const = 0;
    virtual asio::any_io_executor executor() const = 0;
  };

  template <class Handler>
  struct holder final : base {
    holder(Handler h, const asio::any_io_executor& own_executor)
        : own(own_executor), theirs(executor_of(h, own_executor)),
          work(asio::prefer(theirs, asio::execution::outstanding_work.tracked)), handler(std::move(h)) {}

    static asio::any_io_executor executor_of(const Handler& h, const asio::any_io_executor& own) {
      // That of asio::use_future, which runs anything at once, is one of these in newer Asio only.
      if constexpr (std::is_convertible_v<asio::associated_executor_t<Handler, asio::any_io_executor>,
                                          asio::any_io_executor>)
        return asio::get_associated_executor(h, own);
      else
        return own;
    }

    void complete(asio::error_code error, std::size_t size) override {
      auto invoke = [h = std::move(handler), error, size]() mutable { std::move(h)(error, size); };
      if (theirs == own) return asio::post(own, std::move(invoke));
      // What is posted to an executor without a loop, such as that of a future, would run on threads that
      // Asio starts for it. So this one stays on the loop, and goes where the handler belongs from there.
      asio::post(own, [to = std::move(work), invoke = std::move(invoke)]() mutable {
        asio::dispatch(to, std::move(invoke));
      });
    }
    asio::cancellation_slot slot() const override { return asio::get_associated_cancellation_slot(handler); }
    asio::any_io_executor executor() const override { return theirs; }

    asio::any_io_executor own, theirs, work;
    Handler handler;
  };

  std::unique_ptr<base> impl_;
};

/// @returns the first buffer of @p sequence that is not empty, as read_some and write_some need no more than
/// one.
template <class Buffer, class Sequence>
Buffer first_buffer(const Sequence& sequence) {
  for (auto at = asio::buffer_sequence_begin(sequence); at != asio::buffer_sequence_end(sequence); ++at)
    if (Buffer buffer(*at); buffer.size() != 0) return buffer;
  return Buffer();
}

} // namespace coproc::detail
