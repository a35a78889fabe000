#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/buffer.hpp>
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
  template <class Handler>
  io_completion(Handler handler, const asio::any_io_executor& fallback)
      : impl_(std::make_unique<holder<Handler>>(std::move(handler), fallback)) {}

  /// Posts the handler to its associated executor, once.
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
    using associated_type = asio::associated_executor_t<Handler, asio::any_io_executor>;
    // That of asio::use_future runs anything at once, wherever it is: its handler is invoked on the loop.
    static constexpr bool has_loop = std::is_convertible_v<associated_type, asio::any_io_executor>;
    using executor_type = std::conditional_t<has_loop, associated_type, asio::any_io_executor>;
    using work_type = std::decay_t<decltype(asio::prefer(std::declval<const executor_type&>(),
                                                         asio::execution::outstanding_work.tracked))>;

    holder(Handler h, const asio::any_io_executor& fallback)
        : work(asio::prefer(executor_of(h, fallback), asio::execution::outstanding_work.tracked)),
          handler(std::move(h)) {}

    static executor_type executor_of(const Handler& h, const asio::any_io_executor& fallback) {
      if constexpr (has_loop)
        return asio::get_associated_executor(h, fallback);
      else
        return fallback;
    }

    void complete(asio::error_code error, std::size_t size) override {
      asio::post(work, [h = std::move(handler), error, size]() mutable { std::move(h)(error, size); });
    }
    asio::cancellation_slot slot() const override { return asio::get_associated_cancellation_slot(handler); }
    asio::any_io_executor executor() const override { return work; }

    work_type work;
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
