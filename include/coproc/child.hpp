#pragma once

#include <coproc/command.hpp>
#include <coproc/completed.hpp>
#include <coproc/duration.hpp>
#include <coproc/exit_status.hpp>
#include <coproc/input_stream.hpp>
#include <coproc/output_stream.hpp>
#include <coproc/resource_usage.hpp>
#include <coproc/stop_policy.hpp>

#include <asio/awaitable.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace coproc {

namespace detail {
struct access;
class child_state;
} // namespace detail

/// A program that was started: a move-only handle, made by spawn().
///
/// The end of the process and the end of its streams are separate things: wait() does not wait for a
/// grandchild that holds a pipe open, and output stays readable after the end.
///
/// **Errors**: every member of a default-constructed or moved-from handle throws `std::logic_error`, as does
/// one that is awaited on another execution context than the one that started it.
/// **Destruction**: never blocks. A child that still runs is killed (SIGKILL; with its whole group if it
/// leads one) and reaped later by its execution context; waiters complete with `operation_aborted`. To let it
/// live on, detach(). A handle may outlive its execution context: the child is killed with the handle, not
/// before.
/// **Thread safety**: one strand at a time; distinct children are independent.
class child {
public:
  child() = default;
  child(child&&) noexcept = default;
  child& operator=(child&&) noexcept;
  child(const child&) = delete;
  child& operator=(const child&) = delete;
  ~child();

  /// @returns its process id, which stays readable after its end (when the system may give it to another
  /// process).
  int pid() const;
  /// @returns what was started.
  const coproc::command& command() const;

  /// The host's ends of its streams. The references stay valid while the child, or what it was moved to,
  /// lives.
  /// @throws std::logic_error if that stream was not set to stdio::pipe().
  input_stream& in();
  output_stream& out(); ///< As in().
  output_stream& err(); ///< As in().

  /// Waits for the end of the process. Any number of coroutines may wait, any number of times.
  /// **Cancellation**: terminal, partial and total; the child runs on.
  asio::awaitable<exit_status> wait();
  /// The same, for at most @p limit; zero or less only looks.
  /// @returns nullopt if it runs on.
  asio::awaitable<std::optional<exit_status>> wait(duration limit);
  /// @returns the status if it has ended, without suspending; nullopt if it runs on.
  std::optional<exit_status> poll();

  /// Writes @p input to its stdin and closes it, reads stdout and stderr to their ends, all at once so that
  /// no full pipe can hold another up, and waits for the end. Streams that are no pipes are left out; a child
  /// that does not read its input is no error. See command::drain_grace for grandchildren that hold a stream
  /// open.
  /// @returns status and output, including what was in the streams' buffers.
  /// @throws timeout_expired, output_limit as the command says; std::invalid_argument for an @p input without
  /// a pipe to take it.
  /// **Cancellation**: terminal, partial and total; the child runs on, and a later communicate() resumes
  /// without loss: it writes what is left of the input, followed by its own, and gives all output from the
  /// beginning. Once the pipe has taken all of the input, stdin is closed, and more is an invalid_argument.
  /// The output is given once: after a communicate() that has ended the next one has the status and no
  /// output.
  asio::awaitable<completed> communicate(std::string input = {});

  /// Sends a signal to the child alone. Harmless when it has ended: never to a process that got its id.
  /// @throws std::system_error if the number is no signal, or the system refuses (another user's process).
  void send_signal(int number);
  void terminate(); ///< send_signal(SIGTERM)
  void kill();      ///< send_signal(SIGKILL)
  void interrupt(); ///< send_signal(SIGINT)

  /// Stops it: signal, grace period, SIGKILL, to its whole group if it leads one; returns when it is reaped.
  /// Harmless when it has ended. A later call with a shorter grace period takes effect, and one with another
  /// signal sends that, too. A program that may not be signalled (it has become another user's) ends by
  /// itself.
  /// **Cancellation**: terminal, partial and total; the waiting ends, the stop goes on.
  asio::awaitable<exit_status> stop();
  asio::awaitable<exit_status> stop(stop_policy policy); ///< With another policy than the command's.

  /// Lets it live on by itself: its pipes are closed, that of input which is still being fed (stdio::bytes)
  /// included, its handle can be dropped, and any later operation of the library, on whatever context, reaps
  /// it. All but pid(), command(), usage() and another detach() is a std::logic_error from then on.
  void detach();

  /// @returns what it used, once its end has been seen; nullopt before, or if its status is unknown.
  std::optional<resource_usage> usage() const;

private:
  friend struct detail::access;
  explicit child(std::shared_ptr<detail::child_state> state) : state_(std::move(state)) {}

  std::shared_ptr<detail::child_state> state_;
};

} // namespace coproc
