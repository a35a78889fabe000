#pragma once

#include <coproc/detail/item.hpp>
#include <coproc/detail/made_of.hpp>
#include <coproc/detail/shared_queue_core.hpp>
#include <coproc/duration.hpp>
#include <coproc/queue_closed.hpp>
#include <coproc/queue_empty.hpp>
#include <coproc/queue_full.hpp>
#include <coproc/wire.hpp>

#include <asio/awaitable.hpp>

#include <concepts>
#include <cstddef>
#include <optional>
#include <utility>

namespace coproc {

/// A FIFO queue between processes: any number of them put, any number get. This is a handle of it: copies, in
/// this process or in another, are handles of the same queue. A handle crosses as an argument of a process or
/// of a pool's task, in a struct, or through a connection; the queue goes with its last handle.
///
///     coproc::shared_queue<job> jobs(100);
///     coproc::process worker(coproc::target<work>, jobs);   // void work(coproc::shared_queue<job>)
///
/// Each item goes to exactly one getter; the items of one producer are got in the order in which they were
/// put. Coroutines wait on their event loop, plain functions by the blocking_ forms; while nobody waits no
/// system call is made.
///
/// **Items** are anything that wire::crossable_without_handles takes, of any size. They are encoded into
/// memory that all handles share: anonymous memory (memfd_create(2)) that has no name and needs no clean-up.
/// It grows as items need it; what a burst has left behind is given back, all but 64 MiB, by the puts that
/// follow once it has been got, and by nothing else. That there is no more of it is a std::system_error at
/// the put (ENOMEM, ENOSPC; EFBIG beyond RLIMIT_FSIZE), which then has put nothing, and never a signal;
/// beyond a memory limit of the system's (cgroup) its own rules hold. A queue of maxsize <= 0 is bounded by
/// that alone, and by 2^31 - 1 items. A queue holds four descriptors in each process that it was
/// handed to, once for each time; copies of a handle share them, and so do arguments that wait. A handle
/// that coroutines have waited by has one more for each of get, put and join.
///
/// **When a process is killed**, at any instruction whatever, nothing is torn and nobody is wedged: putting
/// is one store after all else has been written, getting is another, each under a lock of which the kernel
/// tells the next process if its owner has died (robust mutex, pthread_mutexattr_setrobust(3)). What a killed
/// producer was putting is whole in the queue, or not there; what a killed consumer had got is gone with it,
/// and is at most one item more than it has seen. Wake-ups reach all that wait, in one step with the item, so
/// none is lost with the process that it was for. A process that is stopped (SIGSTOP) delays the others at
/// most if it holds a lock, until it continues or dies; coroutines and the forms with a timeout keep their
/// time even then, but for the 20 ms that each of those gives a lock. put_nowait(), get_nowait(), task_done()
/// and close() wait for the lock without a limit, and so does a loop that calls them: they are at once only
/// while everybody runs. A lock is held for as long as an item is copied, 20 MiB some milliseconds. What
/// shared memory says is checked before it is used: a process that overwrites it brings about errors
/// (std::system_error, EBADMSG; wire::error) in the others. (The locks themselves are trusted.)
///
/// **Cancellation** of all waiting forms: terminal, partial and total; a cancelled get has taken no item, a
/// cancelled put has added none.
/// **Thread safety**: one strand or thread at a time for each handle; handles of the same queue are
/// independent of each other. qsize(), empty(), full(), task_done() and close() are safe at any time.
/// **Destruction** completes those that wait by this handle with `operation_aborted`.
template <class T>
class shared_queue {
  static_assert((wire::check<T>(), true));
  static_assert(
      wire::crossable_without_handles<T>,
      "coproc: a shared_queue can't hold handles (connection, shared_queue): pass them as arguments");

public:
  /// A new queue. @param maxsize how many items it holds; <= 0: as many as memory does.
  /// @throws std::system_error if there is no descriptor or no memory to be had.
  explicit shared_queue(std::ptrdiff_t maxsize) : core_(maxsize) {}
  /// A new one, bounded by memory alone.
  shared_queue() : shared_queue(0) {}

  /// Puts an item, as soon as there is room.
  /// @throws queue_closed once the queue is closed; std::system_error if there is no memory; std::logic_error
  /// on another execution context than that of the first operation that was awaited by this handle.
  asio::awaitable<void> put(T item) { return put_item(core_.require(), std::move(item), std::nullopt); }
  /// @throws queue_full when there was no room for as long as @p limit, or others had the queue locked; else
  /// as above. With a limit of 0, too, it tries, and gives a lock that is held some time.
  asio::awaitable<void> put(T item, duration limit) {
    return put_item(core_.require(), std::move(item), limit);
  }
  /// put(T(args...)), for g++ before 15, which must not see a temporary aggregate in a co_await expression.
  template <class... Args>
  asio::awaitable<void> emplace(Args&&... args) {
    return put(detail::made_of<T>(std::forward<Args>(args)...));
  }
  /// Puts it at once; waits, without a limit, for others that hold the lock, even if they are stopped.
  /// @throws queue_full if there is no room; else as put().
  void put_nowait(const T& item) {
    detail::source_of<T> from(item);
    core_.put_nowait(from);
  }
  /// put() for a plain function: blocks the thread.
  void blocking_put(const T& item) { block_to_put(item, std::nullopt); }
  /// @throws queue_full as put(item, limit); else as put().
  void blocking_put(const T& item, duration limit) { block_to_put(item, limit); }

  /// Gets the next item, as soon as there is one.
  /// @throws queue_closed once the queue is closed and empty; wire::error, std::system_error (EBADMSG) if the
  /// memory was overwritten; std::logic_error as put().
  asio::awaitable<T> get() { return get_item(core_.require(), std::nullopt); }
  /// @throws queue_empty when there was none for as long as @p limit, or others had the queue locked, as with
  /// put(); else as above.
  asio::awaitable<T> get(duration limit) { return get_item(core_.require(), limit); }
  /// Gets it at once; waits for the lock as put_nowait() does. @throws queue_empty if there is none; else as
  /// get().
  T get_nowait() {
    detail::sink_of<T> to;
    core_.get_nowait(to);
    return to.value();
  }
  /// get() for a plain function: blocks the thread.
  T blocking_get() { return block_to_get(std::nullopt); }
  /// @throws queue_empty as get(limit); else as get().
  T blocking_get(duration limit) { return block_to_get(limit); }

  /// @returns how many items there are at this moment; empty() and full() say the same of the same count.
  std::size_t qsize() const { return core_.qsize(); }
  bool empty() const { return core_.qsize() == 0; }
  bool full() const { return core_.full(); }

  /// Says that an item that was got has been dealt with. Waits for the lock as put_nowait() does.
  /// @throws std::logic_error if that has been said of all.
  void task_done() { core_.task_done(); }
  /// Waits until task_done() has been called for every item that was put. A consumer that died with an item
  /// calls it no more.
  asio::awaitable<void> join() { return detail::shared_queue_core::join(core_.require()); }
  /// join() for a plain function.
  void blocking_join() { core_.blocking_join(); }

  /// No more items, for all processes: who puts gets queue_closed, who gets does once the queue is empty.
  /// Waits for the locks of both sides as put_nowait() does for one.
  void close() { core_.close(); }

  // For wire.
  template <std::same_as<wire::output_archive> Archive>
  void save(Archive& archive) const {
    const auto owner = core_.owner();
    for (int descriptor : core_.all_descriptors()) archive.lend(descriptor, owner);
  }
  template <std::same_as<wire::input_archive> Archive>
  void load(Archive& archive) {
    *this = arrive(archive);
  }
  template <std::same_as<wire::input_archive> Archive>
  static shared_queue arrive(Archive& archive) {
    typename detail::shared_queue_core::descriptors all;
    all.fill(-1);
    try {
      for (int& descriptor : all) descriptor = archive.take();
    } catch (...) {
      detail::close_all(all);
      throw;
    }
    return shared_queue(detail::shared_queue_core::adopt(all));
  }

private:
  using state = detail::shared_queue_core::state;

  explicit shared_queue(detail::shared_queue_core core) : core_(std::move(core)) {}

  static asio::awaitable<void> put_item(state queue, T item, std::optional<duration> limit) {
    detail::source_of<T> from(item);
    co_await detail::shared_queue_core::put(std::move(queue), from, limit);
  }

  static asio::awaitable<T> get_item(state queue, std::optional<duration> limit) {
    detail::sink_of<T> to;
    co_await detail::shared_queue_core::get(std::move(queue), to, limit);
    co_return to.value();
  }

  void block_to_put(const T& item, std::optional<duration> limit) {
    detail::source_of<T> from(item);
    core_.blocking_put(from, limit);
  }

  T block_to_get(std::optional<duration> limit) {
    detail::sink_of<T> to;
    core_.blocking_get(to, limit);
    return to.value();
  }

  detail::shared_queue_core core_;
};

namespace detail {
template <class T>
inline constexpr bool is_handle<shared_queue<T>> = true;
} // namespace detail

} // namespace coproc
