#pragma once

#include <asio/awaitable.hpp>

#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace coproc {

namespace detail {
int run_main(int argc, char** argv, std::function<asio::awaitable<int>(std::vector<std::string>)> amain);

template <class Function>
asio::awaitable<int> exit_code_of(Function amain, std::vector<std::string> arguments) {
  if constexpr (std::is_invocable_r_v<asio::awaitable<int>, Function&, std::vector<std::string>>) {
    co_return co_await amain(std::move(arguments));
  } else if constexpr (std::is_invocable_r_v<asio::awaitable<int>, Function&>) {
    co_return co_await amain();
  } else if constexpr (std::is_invocable_r_v<asio::awaitable<void>, Function&, std::vector<std::string>>) {
    co_await amain(std::move(arguments));
    co_return 0;
  } else {
    static_assert(std::is_invocable_r_v<asio::awaitable<void>, Function&>,
                  "run_main: amain is to be awaitable<int> or awaitable<void>, and takes nothing or a "
                  "std::vector<std::string>");
    co_await amain();
    co_return 0;
  }
}
} // namespace detail

/// The whole of main() for a program that is one coroutine: makes an io_context, runs @p amain on it in this
/// thread, and turns SIGINT and SIGTERM into its cancellation, so that what it awaits is stopped in good
/// order.
///
///     int main(int argc, char** argv) { return coproc::run_main(argc, argv, amain); }
///
/// @param amain a function that returns `asio::awaitable<int>` or `asio::awaitable<void>`, and takes the
/// arguments (argv[0] is the first) as `std::vector<std::string>`, or nothing.
/// @returns what @p amain returns, 0 if that is nothing, also if it has caught its cancellation. If that ends
/// it: 128 + the signal, as a shell reports it (130 for Ctrl-C). If it throws anything else: 1, with what()
/// on stderr. A second signal kills the program; one that the program was started to ignore stays ignored.
/// What @p amain leaves on the event loop is destroyed with it: await what is to be finished.
template <class Function>
int run_main(int argc, char** argv, Function amain) {
  // No lambda: g++ looks at its parameters again here, and -Wshadow finds a global of the user's.
  return detail::run_main(argc, argv, std::bind_front(&detail::exit_code_of<Function>, std::move(amain)));
}

} // namespace coproc
