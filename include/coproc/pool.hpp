#pragma once

#include <coproc/async_result.hpp>
#include <coproc/command.hpp>
#include <coproc/completed.hpp>
#include <coproc/detail/pool_core.hpp>
#include <coproc/detail/pool_target.hpp>
#include <coproc/detail/range_source.hpp>
#include <coproc/map_options.hpp>
#include <coproc/pool_closed.hpp>
#include <coproc/pool_options.hpp>
#include <coproc/pool_stats.hpp>
#include <coproc/pool_terminated.hpp>
#include <coproc/queue_full.hpp>
#include <coproc/remote_error.hpp>
#include <coproc/result_stream.hpp>
#include <coproc/timeout_expired.hpp>
#include <coproc/worker_died.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace coproc {

/// Worker processes that run C++ functions, so many at once and no more:
///
///     coproc::pool workers(co_await asio::this_coro::executor, 4);
///     std::vector<int> squares = co_await workers.map<square>(numbers);
///
/// main() has to begin with coproc::init(argc, argv), or to be run_main(). Workers are processes as
/// coproc::process describes them: started when first needed, used again and again, killed when the host
/// ends. Tasks and programs wait in one line, first come, first served; at most `size` of them run at a time.
/// A worker that has short tasks is handed several ahead, and those that it has not begun are taken back when
/// one proves long.
///
/// **Faults.** A worker that dies, for whatever reason, fails the task that it was running and no other:
/// what it had finished is kept, what it had not started runs elsewhere, and no task is started twice unless
/// pool_options::retries() says so. What a worker has started and finished is noted in memory that outlives
/// it. A new worker takes its place, after a pause if the one before it died as well. If workers die one
/// after another before they come to run anything, or their initializer fails, or very many of them die with
/// not one task completed, the tasks that wait fail with a worker_died that says so; later ones are tried
/// again.
///
/// A worker that is to end (its share is done, or the pool is closed) and has not after five seconds, being
/// stopped or held up, is killed.
///
/// Calls of a target that is a coroutine run to its end. What a task writes to stdout is flushed before its
/// result is given; but what items of a map() have finished is given early when the next one of their chunk
/// takes long or kills the worker: their text comes with the end of that one, or not at all. A task is one
/// process among others: what it changes in its memory stays there, for later tasks of that worker to see.
///
/// **Destruction**: kills the workers, without waiting. Coroutines in apply(), map(), run() and join()
/// complete with `operation_aborted`; an async_result or result_stream that is not finished fails with
/// pool_terminated.
/// **Thread safety**: one strand at a time, for the pool together with its results and streams. Where several
/// threads run the context, give the pool a strand (asio::make_strand) as its executor, and use it from
/// there. An idle pool does not keep its execution context running.
/// **Lifetime**: may outlive its execution context: what was not finished by then has failed, and submitting
/// more is a `std::logic_error`.
/// **Forks of the host**: a copy of it has ended, as if terminated, since the workers are the host's. See
/// coproc::process.
class pool {
public:
  /// A pool of @p size slots on the context of @p executor. @throws std::invalid_argument for 0, or if it was
  /// negative.
  pool(asio::any_io_executor executor, std::size_t size);
  explicit pool(asio::any_io_executor executor, pool_options options = {});
  pool(pool&&) noexcept = default;
  pool& operator=(pool&&) noexcept;
  pool(const pool&) = delete;
  pool& operator=(const pool&) = delete;
  ~pool();

  /// Runs @p Fn with @p arguments, which are encoded here and now, and gives its result. Waits before that
  /// for as long as pool_options::max_pending() tasks are waiting.
  /// @throws what the task ended with, see async_result::get(); pool_closed.
  /// **Cancellation**: terminal, partial and total. A queued task is dropped; if it runs, its worker is
  /// killed and replaced. It is complete when the task does not run any more; a result that the pool
  /// has read before is given.
  template <auto Fn, class... A>
  asio::awaitable<detail::target_result<Fn>> apply(A&&... arguments) {
    return result_of<detail::target_result<Fn>>(detail::run_task(shared_state(), detail::pool_target_of<Fn>(),
                                                                 encode<Fn>(std::forward<A>(arguments)...)));
  }

  /// The same, begun at once, and run whether or not somebody awaits it.
  /// Arguments of more than 64 KiB hold a descriptor until a worker has them: where thousands of such tasks
  /// are to be queued, max_pending() and apply(), or map(), keep within the limit on those.
  /// An end of a connection that is an argument stays open in the host until its task ends: the other end
  /// gets connection_closed then, and not when the task closes it.
  /// @throws pool_closed; queue_full if pool_options::max_pending() tasks are waiting. Handles among the
  /// arguments stay here then.
  template <auto Fn, class... A>
  async_result<detail::target_result<Fn>> apply_async(A&&... arguments) {
    detail::require_room(state()); // before handles among the arguments are given away
    return async_result<detail::target_result<Fn>>(
        detail::begin_task(state(), detail::pool_target_of<Fn>(), encode<Fn>(std::forward<A>(arguments)...)));
  }

  /// Runs @p Fn once for each element of @p range, and gives the results in the order of the elements.
  /// (Nothing, if Fn returns nothing.) Elements travel in chunks; see map_options::chunk_size().
  /// @param range an lvalue is referenced, and read as workers come to need more; anything else is moved.
  /// @throws what the first item to fail ended with, see async_result::get(); the rest is not started then.
  /// Or what reading the range throws; or pool_closed.
  /// **Cancellation**: as apply(), for all items.
  template <auto Fn, std::ranges::input_range Range>
  auto map(Range&& range, map_options options = {}) {
    return collect<detail::target_result<Fn>>(
        shared_state(), detail::pool_target_of<Fn>(),
        detail::make_source<Fn, detail::spread::one>(std::forward<Range>(range)), std::move(options));
  }
  /// The same for a range of tuples (or pairs), which hold the arguments.
  template <auto Fn, std::ranges::input_range Range>
  auto starmap(Range&& range, map_options options = {}) {
    return collect<detail::target_result<Fn>>(
        shared_state(), detail::pool_target_of<Fn>(),
        detail::make_source<Fn, detail::spread::all>(std::forward<Range>(range)), std::move(options));
  }

  /// As map(), with the results one by one, in the order of the elements. Begins at once; it reads so far
  /// ahead in the range as map_options::window() says, so the range may be endless. @throws pool_closed.
  template <auto Fn, std::ranges::input_range Range>
  result_stream<detail::target_result<Fn>> imap(Range&& range, map_options options = {}) {
    return stream<Fn>(std::forward<Range>(range), detail::stream_kind::ordered, options);
  }
  /// The same with the results as they come.
  template <auto Fn, std::ranges::input_range Range>
  result_stream<detail::target_result<Fn>> imap_unordered(Range&& range, map_options options = {}) {
    return stream<Fn>(std::forward<Range>(range), detail::stream_kind::unordered, options);
  }

  /// Runs a program, as coproc::run() does, in one of the pool's slots: waits for its turn like a task.
  /// @throws as coproc::run(); pool_closed; pool_terminated if it is queued or running at terminate().
  /// **Cancellation**: terminal. While it waits, it is dropped; then as coproc::run().
  asio::awaitable<completed> run(coproc::command program);

  /// Lets no more in; what is queued runs to its end. Does nothing if it is closed already. An imap() that is
  /// read meanwhile goes on in its range.
  void close();
  /// Lets no more in. What is queued or running fails with pool_terminated; workers are killed, programs are
  /// stopped by their stop policy.
  void terminate();
  /// Waits until everything is done and the workers have ended. The rest of an imap() whose window is full is
  /// not waited for; if it is read later, workers are started for it.
  /// @throws std::logic_error before close() or terminate().
  /// **Cancellation**: terminal, partial and total; nothing else changes.
  asio::awaitable<void> join();

  /// @returns what it is doing now, and has done so far.
  pool_stats stats() const;

private:
  /// @throws std::logic_error if it was moved from.
  const std::shared_ptr<detail::pool_state>& shared_state() const;
  detail::pool_state& state() const { return *shared_state(); }

  template <auto Fn, class... A>
  static detail::message encode(A&&... arguments) {
    detail::pool_runner<Fn>::template check<A...>();
    detail::message encoded;
    if constexpr (sizeof...(A) == detail::pool_runner<Fn>::arity)
      detail::pool_runner<Fn>::encode(encoded, std::forward<A>(arguments)...);
    return encoded;
  }

  template <class R>
  static asio::awaitable<R> result_of(asio::awaitable<detail::message> operation) {
    detail::message encoded = co_await std::move(operation);
    if constexpr (!std::is_void_v<R>) co_return wire::decode<R>(encoded);
  }

  template <auto Fn, class Range>
  result_stream<detail::target_result<Fn>> stream(Range&& range, detail::stream_kind kind,
                                                  const map_options& options) {
    return result_stream<detail::target_result<Fn>>(detail::open_stream(
        state(), detail::pool_target_of<Fn>(),
        detail::make_source<Fn, detail::spread::one>(std::forward<Range>(range)), kind, options));
  }

  template <class R>
  struct part {
    std::size_t first;
    std::vector<R> results;
  };

  template <class R>
  static void decode_part(detail::stream_batch& batch, std::vector<R>& into) {
    std::span<const std::byte> bytes = batch.bytes.bytes();
    if constexpr (wire::impl::takes_any_bytes<R>()) {
      if (bytes.size() == batch.count * sizeof(R)) {
        into.resize(batch.count);
        std::memcpy(into.data(), bytes.data(), bytes.size());
        return;
      }
    }
    into.reserve(batch.count);
    for (std::size_t i = 0; i != batch.count; ++i) into.push_back(wire::decode<R>(bytes, &batch.bytes));
  }

  template <class R>
  static void append(std::vector<R>& to, std::vector<R>& from) {
    if constexpr (std::is_move_assignable_v<R>)
      to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
    else // there are const fields
      for (R& each : from) to.push_back(std::move(each));
  }

  template <class R>
  requires std::is_void_v<R>
  static asio::awaitable<void> collect(std::shared_ptr<detail::pool_state> pool, detail::pool_target target,
                                       std::unique_ptr<detail::map_source> items, map_options options) {
    return detail::run_map(std::move(pool), target, std::move(items), std::move(options),
                           [](detail::stream_batch&) {});
  }

  template <class R>
  requires(!std::is_void_v<R>) static asio::awaitable<std::vector<R>> collect(
      std::shared_ptr<detail::pool_state> pool, detail::pool_target target,
      std::unique_ptr<detail::map_source> items, map_options options) {
    std::vector<part<R>> parts;
    std::size_t count = 0;
    std::function<void(detail::stream_batch&)> take = [&](detail::stream_batch& batch) {
      parts.emplace_back();
      parts.back().first = batch.first;
      decode_part(batch, parts.back().results);
      count += batch.count;
    };
    co_await detail::run_map(std::move(pool), target, std::move(items), std::move(options), std::move(take));
    std::sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<R> all;
    if (parts.size() == 1) {
      all = std::move(parts.front().results);
    } else {
      all.reserve(count);
      for (auto& each : parts) append(all, each.results);
    }
    co_return all;
  }

  std::shared_ptr<detail::pool_state> state_;
};

} // namespace coproc
