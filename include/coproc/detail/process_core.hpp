#pragma once

#include <coproc/detail/message.hpp>
#include <coproc/duration.hpp>
#include <coproc/exit_status.hpp>
#include <coproc/process_options.hpp>

#include <asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace coproc {

class input_stream;
class output_stream;

namespace detail {

/// Runs a target in the child: decodes its arguments from @p arguments (and the descriptors of @p from),
/// calls it, and encodes what it returns.
using entry_point = void (*)(std::span<const std::byte> arguments, message& from, message& result);

/// A call of a target that is to be made in another process.
struct target_call {
  entry_point entry = nullptr;
  std::string function;  ///< Its name, for messages.
  std::string module_id; ///< Where its code is, for every process that runs the same program.
  std::string module_path;
  std::uint64_t offset = 0;
  message encoded;                       ///< All of that, and then the arguments.
  std::function<void(message&)> closure; ///< For fork_target, in place of the entry.
};

/// @returns a call without arguments so far.
/// @throws std::invalid_argument if @p entry is in no module that is loaded.
target_call begin_call(entry_point entry, std::string function);

class function_process;

/// What all process<R> share: everything but the types.
class process_core {
public:
  process_core(process_options options, target_call call);
  process_core(process_core&&) noexcept;
  process_core& operator=(process_core&&) noexcept;
  process_core(const process_core&) = delete;
  ~process_core();

  asio::awaitable<void> start();
  asio::awaitable<void> join();
  asio::awaitable<bool> join(duration limit);
  /// @returns the encoded result, which all that ask for it share. @throws remote_error, process_died.
  asio::awaitable<std::shared_ptr<message>> result();
  /// @throws std::logic_error if descriptors of @p result have been taken before.
  static void require_handles(const message& result);

  bool is_alive() const;
  int pid() const;
  const std::string& name() const;
  std::optional<exit_status> status() const;
  void terminate();
  void kill();
  void detach();
  input_stream& in();
  output_stream& out();
  output_stream& err();

private:
  std::shared_ptr<function_process> state_;
};

/// Runs a coroutine of a target in the child, on an io_context of its own, until it ends; throws what it
/// threw. @throws std::runtime_error if it can't end: it has stopped the io_context, or nobody will resume
/// it.
void run_to_end(asio::awaitable<void> coroutine);

} // namespace detail
} // namespace coproc
