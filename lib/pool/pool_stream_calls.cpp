#include "pool/pool_stream.hpp"

#include <coproc/pool_terminated.hpp>

#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <exception>
#include <system_error>

namespace coproc::detail {

asio::awaitable<stream_batch> pool_stream::next(std::shared_ptr<pool_stream> self) {
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  if (auto pool = self->pool_.lock(); pool && !pool->terminated()) pool->check_use(executor);
  if (self->breathing_.due()) {
    if (self->caller_)
      co_await asio::post(asio::use_awaitable); // and then looks whether it was cancelled
    else
      co_await pass_through_loop();
  }
  self->given_ += std::exchange(self->lent_, 0);
  self->refill();
  for (;;) {
    if (self->gone_) throw std::system_error(asio::error::operation_aborted);
    if (self->caller_ && self->caller_->cancelled()) self->on_cancel();
    if (self->lost_) std::rethrow_exception(std::exchange(self->lost_, nullptr));
    if (!self->batches_.empty()) break;
    if (self->cancelled_ && self->chunks_.empty()) throw std::system_error(asio::error::operation_aborted);
    if (self->dropped_) throw pool_terminated();
    if (!self->cancelled_ && (self->closed_ || self->finished())) {
      // Whoever is told of the end may drop the stream, and its last report with it.
      while (self->reporter_.pending() && !self->closed_) co_await pass_through_loop();
      co_return stream_batch();
    }
    auto wait = [self](suspension<bool> waiter) {
      waiter.on_cancellation(self, [](pool_stream& stream, asio::cancellation_type_t type) {
        if (type == asio::cancellation_type::none) return;
        if (stream.kind_ == stream_kind::map)
          stream.on_cancel();
        else if (stream.waiter_)
          std::exchange(stream.waiter_, std::nullopt)->fail(aborted());
      });
      self->waiter_.emplace(std::move(waiter));
    };
    co_await suspend<bool>(std::move(wait));
  }
  stream_batch first = std::move(self->batches_.front());
  self->batches_.pop_front();
  self->lent_ = first.count;
  co_return std::move(first);
}

asio::awaitable<void> pool_stream::run(std::shared_ptr<pool_stream> self, cancellation_watch caller,
                                       std::function<void(stream_batch&)> take) {
  self->caller_ = caller;
  for (;;) {
    stream_batch batch = co_await next(self);
    if (batch.count == 0) co_return;
    if (batch.error) std::rethrow_exception(batch.error);
    take(batch);
  }
}

std::shared_ptr<pool_stream> open_stream(pool_state& pool, pool_target target,
                                         std::unique_ptr<map_source> items, stream_kind kind,
                                         const map_options& options) {
  pool.require_open();
  auto stream = std::make_shared<pool_stream>(pool, target, std::move(items), kind, options);
  stream->refill();
  return stream;
}

asio::awaitable<stream_batch> next_batch(std::shared_ptr<pool_stream> stream) {
  return pool_stream::next(std::move(stream));
}

asio::awaitable<void> let_loop_breathe() { return pass_through_loop(); }

void close_stream(pool_stream& stream) noexcept { stream.abandon(); }

asio::awaitable<void> run_map(std::shared_ptr<pool_state> pool, pool_target target,
                              std::unique_ptr<map_source> items, map_options options,
                              std::function<void(stream_batch&)> take) {
  struct closer {
    std::shared_ptr<pool_stream> stream;
    ~closer() { stream->abandon(); }
  };
  const cancellation_watch caller(co_await asio::this_coro::cancellation_state);
  const closer open{open_stream(*pool, target, std::move(items), stream_kind::map, options)};
  pool.reset();
  // A cancelled coroutine can't await anything, unless it says so; and this one waits for what runs.
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  std::exception_ptr error;
  try {
    co_await pool_stream::run(open.stream, caller, std::move(take));
  } catch (...) {
    error = std::current_exception();
  }
  co_await asio::this_coro::throw_if_cancelled(throws);
  if (error) std::rethrow_exception(error);
}

} // namespace coproc::detail
