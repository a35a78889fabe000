#pragma once

#include <coproc/bootstrap_error.hpp>
#include <coproc/detail/invoke_target.hpp>
#include <coproc/input_stream.hpp>
#include <coproc/output_stream.hpp>
#include <coproc/process_died.hpp>
#include <coproc/process_options.hpp>
#include <coproc/remote_error.hpp>
#include <coproc/target.hpp>

namespace coproc {

namespace detail {
/// What a process is deduced from that was given a function or a callable by itself.
template <class Function>
struct unnamed {};
template <class R>
inline constexpr bool is_unnamed = false;
template <class Function>
inline constexpr bool is_unnamed<unnamed<Function>> = true;
} // namespace detail

/// A child process that runs a C++ function, and gives back its result or its exception.
///
///     coproc::process p{coproc::target<count_words>, "moby-dick.txt"};
///     co_await p.start();
///     std::size_t words = co_await p.result();
///
/// main() has to begin with coproc::init(argc, argv), or to be run_main(). Arguments are converted to the
/// types of the parameters and encoded when the object is made; the function's result is decoded when it is
/// asked for. Nothing is shared: what the child changes in its memory the host does not see. An argument or
/// result that can't cross is a compile error; `coproc::wire` says what can.
///
/// **Life of the child.** It has a process group of its own, so a Ctrl-C in the terminal does not reach it.
/// It is killed when the host ends, in whatever way that happens, and when this object is destroyed; see
/// detach(). When the function returns, stdout, stderr and the
/// streams of C++ are flushed, and the process ends without running destructors of static objects (`_exit`):
/// with exit code 0, or 1 if the function threw. Its other threads are not waited for. A copy of the process
/// that the function has made, fork(2), and that comes back from it as well, ends there with such an exit
/// code, and flushes nothing.
///
/// **Forks of the host.** A fork that the host makes by itself, fork(2), and that executes nothing has copies
/// of all objects, which leave the children to the host: they signal none, and take nothing of what those say
/// or return. There result() is process_died with an unknown status, and a start that was under way is
/// aborted. One that is to go on with an event loop has to tell that of the fork, execution_context::
/// notify_fork(), as Asio wants it. It holds what the host holds, so the children are killed when both have
/// ended.
///
/// **Destruction**: kills the child, with its group, without waiting; it is reaped later. Coroutines that
/// start it or wait for it complete with `operation_aborted`.
/// **Thread safety**: one strand at a time.
template <class R>
class process {
  static_assert(!detail::is_unnamed<R>,
                "coproc::process: a function is named, process p{coproc::target<f>, arguments...}; a lambda "
                "with captures needs a fork, process p{coproc::fork_target, lambda}");

public:
  /// A process for target @p Fn with @p arguments; see process_options for what it is without options.
  /// @throws std::system_error if large arguments find no memory (memfd_create(2)).
  template <auto Fn, class... A>
  explicit process(target_t<Fn> function, A&&... arguments)
      : process(process_options(), function, std::forward<A>(arguments)...) {}
  template <auto Fn, class... A>
  process(process_options options, target_t<Fn>, A&&... arguments)
      : core_(std::move(options), detail::make_call<Fn>(std::forward<A>(arguments)...)) {
    static_assert(std::is_same_v<R, detail::target_result<Fn>>, "process: R is not what the target returns");
  }
  /// A process that a fork of the host is to become (start_method::fork), for any callable without
  /// parameters.
  template <class Function>
  process(fork_target_t, Function function) : process(process_options(), fork_target, std::move(function)) {}
  template <class Function>
  process(process_options options, fork_target_t, Function function)
      : core_(std::move(options.method(start_method::fork)), detail::make_fork_call(std::move(function))) {}

  process(process&&) noexcept = default;
  process& operator=(process&&) noexcept = default;

  /// Starts it.
  ///
  /// forkserver and spawn children get the host's working directory, environment, umask and standard streams
  /// as they are now. For `fork` stdout is flushed first, so that what it holds is not written twice; the
  /// call returns here in the host only.
  ///
  /// @throws bootstrap_error if coproc::init() was not called (before anything is started; a fork does not
  /// need it), or if the child can't find the function. @throws std::logic_error if it was started before.
  /// @throws std::system_error if the system refuses a process or a descriptor; it may be started again then.
  /// **Cancellation**: terminal; a cancelled start leaves no process.
  asio::awaitable<void> start() { return core_.start(); }

  /// Waits until it has ended; how it ended does not matter.
  /// @throws std::logic_error if it was not started, or was detached.
  /// **Cancellation**: terminal, partial and total; the child runs on.
  asio::awaitable<void> join() { return core_.join(); }
  /// The same for @p limit at most. @returns whether it has ended.
  asio::awaitable<bool> join(duration limit) { return core_.join(limit); }

  /// Waits until it has ended, and gives what the function returned.
  ///
  /// Can be asked for any number of times, unless the result holds a handle (a connection), which is there
  /// once: then a second one is a `std::logic_error`.
  /// @throws remote_error if the function threw, or what it returned can't be sent (more than 253
  /// descriptors, no memory). @throws process_died if it ended in any other way. @throws wire::error if what
  /// came from the child makes no sense.
  /// **Cancellation**: as join().
  asio::awaitable<R> result() { return result_of(core_.result()); }

  /// @returns whether it has been started and not ended yet. @throws std::logic_error if it was detached.
  bool is_alive() const { return core_.is_alive(); }
  /// @returns its id, also after its end. @throws std::logic_error before the start.
  int pid() const { return core_.pid(); }
  const std::string& name() const { return core_.name(); }
  /// @returns how it ended; nullopt before that. Of a child of the fork server that is unknown if the event
  /// loop has gone before the server told of its end. @throws std::logic_error if it was detached.
  std::optional<exit_status> status() const { return core_.status(); }
  /// @returns its exit code, or -signal if a signal killed it, as in Python; nullopt while it has not ended.
  /// @throws std::logic_error if it was detached.
  std::optional<int> exitcode() const {
    std::optional<exit_status> end = core_.status();
    if (!end) return std::nullopt;
    return end->returncode();
  }

  /// Sends SIGTERM or SIGKILL to it, not to what it has started itself. Harmless if it has ended.
  /// @throws std::logic_error before the start; std::system_error if it can't be sent (kill(2)).
  void terminate() { core_.terminate(); }
  void kill() { core_.kill(); }

  /// Lets it live on without this object, and without the host. Waiting for it afterwards, sending it a
  /// signal, or asking whether and how it ended is a `std::logic_error`; its result is lost.
  void detach() { core_.detach(); }

  /// The host's end of a standard stream that is stdio::pipe(). @throws std::logic_error if it is none, or
  /// before the start.
  input_stream& in() { return core_.in(); }
  output_stream& out() { return core_.out(); }
  output_stream& err() { return core_.err(); }

private:
  static asio::awaitable<R> result_of(asio::awaitable<std::shared_ptr<detail::message>> encoded) {
    std::shared_ptr<detail::message> result = co_await std::move(encoded);
    if constexpr (!std::is_void_v<R>) {
      detail::process_core::require_handles(*result);
      co_return wire::decode<R>(*result);
    }
  }

  detail::process_core core_;
};

template <auto Fn, class... A>
process(target_t<Fn>, A&&...) -> process<detail::target_result<Fn>>;
template <auto Fn, class... A>
process(process_options, target_t<Fn>, A&&...) -> process<detail::target_result<Fn>>;
template <class Function>
process(fork_target_t, Function)
    -> process<std::decay_t<typename detail::awaited<std::invoke_result_t<Function&>>::type>>;
template <class Function>
process(process_options, fork_target_t, Function)
    -> process<std::decay_t<typename detail::awaited<std::invoke_result_t<Function&>>::type>>;
template <class Function, class... A>
requires std::is_invocable_v<Function&, A...> process(Function, A&&...)
->process<detail::unnamed<Function>>;
template <class Function, class... A>
requires std::is_invocable_v<Function&, A...> process(process_options, Function, A&&...)
->process<detail::unnamed<Function>>;

} // namespace coproc
