#pragma once

#include <coproc/detail/pool_core.hpp>
#include <coproc/wire.hpp>

#include <asio/awaitable.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace coproc {

/// The results of pool::imap() or imap_unordered(), one after the other:
///
///     auto lengths = workers.imap<length>(lines);
///     while (auto n = co_await lengths.next()) total += *n;
///
/// Move-only. **Destruction**: items that have not been started are dropped; those that run go on, and their
/// results are thrown away. A next() that waits completes with `operation_aborted`, and so does one that was
/// made before and is awaited after. Being assigned to is the same. **Lifetime**: may outlive the pool; what
/// is not finished then fails with pool_terminated.
/// **Thread safety**: that of the pool: one strand at a time.
template <class R>
class result_stream {
public:
  /// What next() gives: the result, or nothing at the end. For targets that return nothing, whether there was
  /// one.
  using value_type = std::conditional_t<std::is_void_v<R>, bool, std::optional<R>>;

  /// An empty one: next() is a std::logic_error.
  result_stream() = default;
  result_stream(result_stream&&) noexcept = default;
  result_stream& operator=(result_stream&& other) noexcept {
    if (this != &other) {
      close();
      state_ = std::move(other.state_);
    }
    return *this;
  }
  result_stream(const result_stream&) = delete;
  result_stream& operator=(const result_stream&) = delete;
  ~result_stream() { close(); }

  /// Waits for the next result, and reads on in the range.
  /// @returns nothing when there are no more.
  /// @throws what an item ended with (see async_result::get()); the following call goes on with the next
  /// item. What reading the range throws comes last. What decoding a result throws, here, is also thrown for
  /// those that were received with it, which are lost. @throws std::logic_error if a next() is under way, or
  /// if this is empty or was moved from.
  /// **Cancellation**: terminal, partial and total; no result is lost.
  asio::awaitable<value_type> next() { return next_of(state_); }

private:
  friend class pool;

  struct state {
    std::shared_ptr<detail::pool_stream> stream;
    detail::stream_batch batch;
    std::span<const std::byte> rest;
    std::size_t left = 0;
    unsigned count = 0;
    bool under_way = false;
  };

  /// A next(), from its beginning to its end: there is one at a time.
  class turn {
  public:
    explicit turn(state& of) : of_(of) {
      if (std::exchange(of.under_way, true))
        throw std::logic_error("result_stream: a next() is under way already");
    }
    turn(const turn&) = delete;
    ~turn() { of_.under_way = false; }

  private:
    state& of_;
  };

  explicit result_stream(std::shared_ptr<detail::pool_stream> stream) : state_(std::make_shared<state>()) {
    state_->stream = std::move(stream);
  }

  void close() noexcept {
    if (!state_) return;
    state_->left = 0; // who is to take one asks the stream
    detail::close_stream(*state_->stream);
  }

  static asio::awaitable<value_type> next_of(std::shared_ptr<state> of) {
    if (!of) throw std::logic_error("result_stream: it is empty");
    const turn only(*of);
    if ((++of->count & 127u) == 0) co_await detail::let_loop_breathe();
    if (of->left == 0) {
      of->batch = co_await detail::next_batch(of->stream);
      if (of->batch.count == 0) co_return value_type();
      of->left = of->batch.count;
      if (!of->batch.error) of->rest = of->batch.bytes.bytes();
    }
    --of->left;
    if (of->batch.error) std::rethrow_exception(of->batch.error);
    if constexpr (std::is_void_v<R>) {
      co_return true;
    } else {
      try {
        co_return wire::decode<R>(of->rest, &of->batch.bytes);
      } catch (...) {
        // Where the next one begins is not known now.
        of->batch.error = std::current_exception();
        throw;
      }
    }
  }

  std::shared_ptr<state> state_;
};

} // namespace coproc
